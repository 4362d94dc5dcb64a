package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/containers/image/v5/docker"
	"github.com/containers/image/v5/image"
	"github.com/containers/image/v5/signature"
	"github.com/containers/image/v5/types"
)

// verify pulls nothing but the manifest and its signatures, and asks what a pull asks first.
func verify(ctx context.Context, asked request, registriesDirectory string) error {
	policy, err := policyOf(asked)
	if err != nil {
		return err
	}
	engine, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer engine.Destroy()
	reference, err := docker.ParseReference("//" + asked.Reference)
	if err != nil {
		return err
	}
	source, err := reference.NewImageSource(ctx, &types.SystemContext{
		RegistriesDirPath:           registriesDirectory,
		DockerInsecureSkipTLSVerify: types.OptionalBoolTrue,
		DockerAuthConfig:            &types.DockerAuthConfig{},
	})
	if err != nil {
		return err
	}
	defer source.Close()
	allowed, err := engine.IsRunningImageAllowed(ctx, image.UnparsedInstance(source, nil))
	if err != nil {
		return err
	}
	if !allowed {
		return errors.New("refused without a reason")
	}
	return nil
}

// policyOf is a policy.json that asks every image for a signature by the key (containers-policy.json.5).
func policyOf(asked request) (*signature.Policy, error) {
	text, err := json.Marshal(map[string]any{
		"default": []any{map[string]any{
			"type":           "sigstoreSigned",
			"keyPath":        asked.PublicKey,
			"signedIdentity": asked.Identity,
		}},
	})
	if err != nil {
		return nil, err
	}
	return signature.NewPolicyFromBytes(text)
}
