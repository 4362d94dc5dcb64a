package main

import (
	"encoding/json"
	"fmt"

	cr "github.com/alibabacloud-go/cr-20181201/v2/client"
)

type action func(client *cr.Client, parameters json.RawMessage) (any, error)

var actions = map[string]action{
	"GetAuthorizationToken":       of((*cr.Client).GetAuthorizationToken, func(r *cr.GetAuthorizationTokenResponse) any { return r.Body }),
	"GetInstance":                 of((*cr.Client).GetInstance, func(r *cr.GetInstanceResponse) any { return r.Body }),
	"ListInstance":                of((*cr.Client).ListInstance, func(r *cr.ListInstanceResponse) any { return r.Body }),
	"GetInstanceEndpoint":         of((*cr.Client).GetInstanceEndpoint, func(r *cr.GetInstanceEndpointResponse) any { return r.Body }),
	"ListInstanceEndpoint":        of((*cr.Client).ListInstanceEndpoint, func(r *cr.ListInstanceEndpointResponse) any { return r.Body }),
	"GetInstanceVpcEndpoint":      of((*cr.Client).GetInstanceVpcEndpoint, func(r *cr.GetInstanceVpcEndpointResponse) any { return r.Body }),
	"GetNamespace":                of((*cr.Client).GetNamespace, func(r *cr.GetNamespaceResponse) any { return r.Body }),
	"ListNamespace":               of((*cr.Client).ListNamespace, func(r *cr.ListNamespaceResponse) any { return r.Body }),
	"GetRepository":               of((*cr.Client).GetRepository, func(r *cr.GetRepositoryResponse) any { return r.Body }),
	"ListRepository":              of((*cr.Client).ListRepository, func(r *cr.ListRepositoryResponse) any { return r.Body }),
	"GetRepoTag":                  of((*cr.Client).GetRepoTag, func(r *cr.GetRepoTagResponse) any { return r.Body }),
	"ListRepoTag":                 of((*cr.Client).ListRepoTag, func(r *cr.ListRepoTagResponse) any { return r.Body }),
	"DeleteRepoTag":               of((*cr.Client).DeleteRepoTag, func(r *cr.DeleteRepoTagResponse) any { return r.Body }),
	"CreateRepoTrigger":           of((*cr.Client).CreateRepoTrigger, func(r *cr.CreateRepoTriggerResponse) any { return r.Body }),
	"ListRepoTrigger":             of((*cr.Client).ListRepoTrigger, func(r *cr.ListRepoTriggerResponse) any { return r.Body }),
	"UpdateRepoTrigger":           of((*cr.Client).UpdateRepoTrigger, func(r *cr.UpdateRepoTriggerResponse) any { return r.Body }),
	"DeleteRepoTrigger":           of((*cr.Client).DeleteRepoTrigger, func(r *cr.DeleteRepoTriggerResponse) any { return r.Body }),
	"CreateArtifactLifecycleRule": of((*cr.Client).CreateArtifactLifecycleRule, func(r *cr.CreateArtifactLifecycleRuleResponse) any { return r.Body }),
	"GetArtifactLifecycleRule":    of((*cr.Client).GetArtifactLifecycleRule, func(r *cr.GetArtifactLifecycleRuleResponse) any { return r.Body }),
	"ListArtifactLifecycleRule":   of((*cr.Client).ListArtifactLifecycleRule, func(r *cr.ListArtifactLifecycleRuleResponse) any { return r.Body }),
	"CreateRepoSyncRule":          of((*cr.Client).CreateRepoSyncRule, func(r *cr.CreateRepoSyncRuleResponse) any { return r.Body }),
	"ListRepoSyncRule":            of((*cr.Client).ListRepoSyncRule, func(r *cr.ListRepoSyncRuleResponse) any { return r.Body }),
	"ListRepoSyncTask":            of((*cr.Client).ListRepoSyncTask, func(r *cr.ListRepoSyncTaskResponse) any { return r.Body }),
}

func call(asked request) (any, error) {
	run, known := actions[asked.Action]
	if !known {
		return nil, fmt.Errorf("this program does not know the action %s", asked.Action)
	}
	client, err := clientOf(asked)
	if err != nil {
		return nil, err
	}
	return run(client, asked.Parameters)
}

// of makes one call with the parameters read into the client's own model of a request.
func of[Request, Response any](
	method func(*cr.Client, *Request) (*Response, error),
	body func(*Response) any,
) action {
	return func(client *cr.Client, parameters json.RawMessage) (any, error) {
		request := new(Request)
		if err := json.Unmarshal(parameters, request); err != nil {
			return nil, err
		}
		response, err := method(client, request)
		if err != nil {
			return nil, err
		}
		return body(response), nil
	}
}
