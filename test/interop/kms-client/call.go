package main

import (
	"encoding/json"
	"fmt"

	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
)

func call(asked request) (any, error) {
	client, err := clientOf(asked)
	if err != nil {
		return nil, err
	}
	switch asked.Action {
	case "AsymmetricSign":
		return run(asked.Parameters, client.AsymmetricSign, func(r *kms.AsymmetricSignResponse) any { return r.Body })
	case "AsymmetricVerify":
		return run(asked.Parameters, client.AsymmetricVerify, func(r *kms.AsymmetricVerifyResponse) any { return r.Body })
	case "GetPublicKey":
		return run(asked.Parameters, client.GetPublicKey, func(r *kms.GetPublicKeyResponse) any { return r.Body })
	case "DescribeKey":
		return run(asked.Parameters, client.DescribeKey, func(r *kms.DescribeKeyResponse) any { return r.Body })
	case "ListKeyVersions":
		return run(asked.Parameters, client.ListKeyVersions, func(r *kms.ListKeyVersionsResponse) any { return r.Body })
	default:
		return nil, fmt.Errorf("this program does not know the action %s", asked.Action)
	}
}

// run makes one call with the parameters read into the client's own model of a request.
func run[Request, Response any](
	parameters json.RawMessage,
	method func(*Request) (*Response, error),
	body func(*Response) any,
) (any, error) {
	request := new(Request)
	if err := json.Unmarshal(parameters, request); err != nil {
		return nil, err
	}
	response, err := method(request)
	if err != nil {
		return nil, err
	}
	return body(response), nil
}
