// Command containers-image answers one JSON line for each JSON line on its standard input: whether containers/image, the
// policy engine of Podman, Skopeo and CRI-O, accepts an image in a registry that speaks plain HTTP by its signatures
// under cosign's tag.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"
)

type request struct {
	// ID comes back in the answer.
	ID string `json:"id"`
	// Reference is what is pulled: host/repository:tag or host/repository@digest.
	Reference string `json:"reference"`
	// PublicKey is the path of a PEM file.
	PublicKey string `json:"publicKey"`
	// Identity is a policy's signedIdentity: what the signature's docker-reference is held against.
	Identity json.RawMessage `json:"identity"`
}

type answer struct {
	ID string `json:"id"`
	Ok bool   `json:"ok"`
	// Error is the engine's own text; empty when Ok.
	Error string `json:"error,omitempty"`
}

const (
	requestBytesMax = 1 << 20
	requestTimeout  = 60 * time.Second
	// Without it the engine does not look for cosign's tags (containers-registries.d.5).
	registriesConfiguration = "default-docker:\n  use-sigstore-attachments: true\n"
)

func main() {
	directory, err := os.MkdirTemp("", "containers-image-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	if err := answerLines(directory); err != nil {
		log.Print(err)
	}
}

func answerLines(directory string) error {
	file := filepath.Join(directory, "default.yaml")
	if err := os.WriteFile(file, []byte(registriesConfiguration), 0o600); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), requestBytesMax)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := output.Encode(answerLine(lines.Bytes(), directory)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answerLine(line []byte, registriesDirectory string) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: "the request is not JSON: " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if err := verify(ctx, asked, registriesDirectory); err != nil {
		return answer{ID: asked.ID, Error: err.Error()}
	}
	return answer{ID: asked.ID, Ok: true}
}
