// Command cr-client answers one JSON line for each JSON line on its standard input: what Alibaba's own client of Container
// Registry says of a call to an endpoint that speaks plain HTTP.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"log"
	"os"

	cr "github.com/alibabacloud-go/cr-20181201/v2/client"
	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/tea"
)

type request struct {
	// ID comes back in the answer.
	ID string `json:"id"`
	// Endpoint is host:port.
	Endpoint        string `json:"endpoint"`
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`
	// SecurityToken is empty for a permanent key.
	SecurityToken string `json:"securityToken"`
	Action        string `json:"action"`
	// Parameters of the action, by Alibaba's names.
	Parameters json.RawMessage `json:"parameters"`
}

type answer struct {
	ID string `json:"id"`
	// Body of a successful answer, in the client's own model.
	Body any `json:"body,omitempty"`
	// Code and StatusCode are those of the client's error; empty and 0 when it succeeded.
	Code       string `json:"code,omitempty"`
	StatusCode int    `json:"statusCode,omitempty"`
	Error      string `json:"error,omitempty"`
}

const requestBytesMax = 1 << 20

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
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: "the request is not JSON: " + err.Error()}
	}
	body, err := call(asked)
	var refusal *tea.SDKError
	if errors.As(err, &refusal) {
		return answer{
			ID:         asked.ID,
			Code:       tea.StringValue(refusal.Code),
			StatusCode: tea.IntValue(refusal.StatusCode),
			Error:      err.Error(),
		}
	}
	if err != nil {
		return answer{ID: asked.ID, Error: err.Error()}
	}
	return answer{ID: asked.ID, Body: body}
}

func clientOf(asked request) (*cr.Client, error) {
	config := &openapi.Config{
		AccessKeyId:     tea.String(asked.AccessKeyID),
		AccessKeySecret: tea.String(asked.AccessKeySecret),
		Endpoint:        tea.String(asked.Endpoint),
		Protocol:        tea.String("HTTP"),
	}
	if asked.SecurityToken != "" {
		config.SecurityToken = tea.String(asked.SecurityToken)
	}
	return cr.NewClient(config)
}
