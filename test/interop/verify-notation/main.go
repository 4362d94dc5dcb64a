// Command verify-notation answers one JSON line for each JSON line on its standard input: whether notation-go, at
// trust level strict, accepts the signatures of an image in a registry that speaks plain HTTP.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"
	"time"
)

type request struct {
	// ID comes back in the answer.
	ID           string   `json:"id"`
	Reference    string   `json:"reference"`
	Certificates []string `json:"certificates"`
	// TrustedIdentities as a trust policy has them; absent: every identity of the trust store.
	TrustedIdentities []string          `json:"trustedIdentities"`
	UserMetadata      map[string]string `json:"userMetadata"`
	MaxSignatures     int               `json:"maxSignatures"`
}

type answer struct {
	ID string `json:"id"`
	Ok bool   `json:"ok"`
	// Error is notation's own text; empty when Ok.
	Error string `json:"error,omitempty"`
	// Signatures counts what notation's own listing shows, good or bad.
	Signatures int `json:"signatures"`
	// MediaType of the image's manifest as resolved.
	MediaType string `json:"mediaType"`
	// SignatureMediaType is the envelope's; empty unless Ok.
	SignatureMediaType string `json:"signatureMediaType,omitempty"`
	// SignedMetadata is the user metadata of the accepted signature.
	SignedMetadata map[string]string `json:"signedMetadata,omitempty"`
}

const (
	requestBytesMax = 1 << 20
	requestTimeout  = 60 * time.Second
	// notation's own default of --max-signatures.
	maxSignaturesDefault = 100
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), requestBytesMax)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := output.Encode(answerLine(lines.Bytes())); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func answerLine(line []byte) answer {
	asked := request{TrustedIdentities: []string{"*"}, MaxSignatures: maxSignaturesDefault}
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: "the request is not JSON: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	given := answer{ID: asked.ID}
	if err := verify(ctx, asked, &given); err != nil {
		given.Error = err.Error()
		return given
	}
	given.Ok = true
	return given
}
