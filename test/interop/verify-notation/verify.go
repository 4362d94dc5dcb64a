package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	notationregistry "github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

// verify asks notation-go, whose verdict is the error; what it lists and resolves goes into given either way.
func verify(ctx context.Context, asked request, given *answer) error {
	remoteRepository, err := remote.NewRepository(asked.Reference)
	if err != nil {
		return err
	}
	remoteRepository.PlainHTTP = true
	repository := notationregistry.NewRepository(remoteRepository)
	if err := list(ctx, repository, remoteRepository.Reference.Reference, given); err != nil {
		return err
	}
	root, err := trustStoreOf(asked.Certificates)
	defer os.RemoveAll(root)
	if err != nil {
		return err
	}
	strict, err := verifier.New(policyOf(asked.TrustedIdentities), truststore.NewX509TrustStore(dir.NewSysFS(root)), nil)
	if err != nil {
		return err
	}
	_, outcomes, err := notation.Verify(ctx, strict, repository, notation.VerifyOptions{
		ArtifactReference:    asked.Reference,
		MaxSignatureAttempts: asked.MaxSignatures,
		UserMetadata:         asked.UserMetadata,
	})
	if err != nil {
		return err
	}
	return describe(outcomes, given)
}

func list(ctx context.Context, repository notationregistry.Repository, reference string, given *answer) error {
	image, err := repository.Resolve(ctx, reference)
	if err != nil {
		return err
	}
	given.MediaType = image.MediaType
	return repository.ListSignatures(ctx, image, func(signatures []ocispec.Descriptor) error {
		given.Signatures += len(signatures)
		return nil
	})
}

func describe(outcomes []*notation.VerificationOutcome, given *answer) error {
	if len(outcomes) != 1 || outcomes[0].Error != nil || outcomes[0].VerificationLevel.Name != trustpolicy.LevelStrict.Name {
		return fmt.Errorf("expected one successful outcome at level strict, got %d", len(outcomes))
	}
	metadata, err := outcomes[0].UserMetadata()
	if err != nil {
		return err
	}
	given.SignedMetadata = metadata
	given.SignatureMediaType = signatureMediaType(outcomes[0].RawSignature)
	return nil
}

// A JWS envelope is a JSON object, a COSE envelope a CBOR tag.
func signatureMediaType(envelope []byte) string {
	if len(envelope) > 0 && envelope[0] == '{' {
		return "application/jose+json"
	}
	return "application/cose"
}

func policyOf(trustedIdentities []string) *trustpolicy.Document {
	return &trustpolicy.Document{
		Version: "1.0",
		TrustPolicies: []trustpolicy.TrustPolicy{{
			Name:                  "test",
			RegistryScopes:        []string{"*"},
			SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: trustpolicy.LevelStrict.Name},
			TrustStores:           []string{"ca:test"},
			TrustedIdentities:     trustedIdentities,
		}},
	}
}

// trustStoreOf copies certificates to where notation looks for the store "ca:test": it takes plain files only.
func trustStoreOf(certificates []string) (root string, err error) {
	if root, err = os.MkdirTemp("", "verify-notation-"); err != nil {
		return root, err
	}
	store := filepath.Join(root, dir.X509TrustStoreDir(string(truststore.TypeCA), "test"))
	if err = os.MkdirAll(store, 0o700); err != nil {
		return root, err
	}
	for i, path := range certificates {
		pem, err := os.ReadFile(path)
		if err != nil {
			return root, err
		}
		if err := os.WriteFile(filepath.Join(store, fmt.Sprintf("%d.pem", i)), pem, 0o600); err != nil {
			return root, err
		}
	}
	return root, nil
}
