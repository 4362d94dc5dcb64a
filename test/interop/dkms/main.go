// Command dkms calls a KMS instance by Alibaba's SDK, unchanged: one call for each line of JSON that it reads, one line of
// JSON for each answer. A ClientKey is opened anew for each.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/alibabacloud-go/tea/tea"
	openapi "github.com/aliyun/alibabacloud-dkms-gcs-go-sdk/openapi"
	openapiutil "github.com/aliyun/alibabacloud-dkms-gcs-go-sdk/openapi-util"
	dkms "github.com/aliyun/alibabacloud-dkms-gcs-go-sdk/sdk"
)

// lineBytesMax is far above a call with an RSA-4096 signature.
const lineBytesMax = 1 << 20

type call struct {
	ID            string `json:"id"`
	Endpoint      string `json:"endpoint"`
	ClientKeyFile string `json:"clientKeyFile"`
	Password      string `json:"password"`
	// Retry leaves the SDK's own retries on.
	Retry     bool   `json:"retry"`
	API       string `json:"api"`
	KeyID     string `json:"keyId"`
	Algorithm string `json:"algorithm"`
	// Message is a digest; bytes are base64 in JSON.
	Message   []byte `json:"message"`
	Signature []byte `json:"signature"`
}

type answer struct {
	ID        string `json:"id"`
	KeyID     string `json:"keyId,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Signature []byte `json:"signature,omitempty"`
	Value     *bool  `json:"value,omitempty"`
	PublicKey string `json:"publicKey,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	// Code and Message are the SDK's, for an error of the service.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		var wanted call
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		got, err := send(wanted)
		if err != nil {
			got = failure(err)
		}
		got.ID = wanted.ID
		line, err := json.Marshal(got)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(line))
	}
}

func send(wanted call) (answer, error) {
	client, err := dkms.NewClient(&openapi.Config{
		Protocol:      tea.String("http"),
		Endpoint:      tea.String(wanted.Endpoint),
		ClientKeyFile: tea.String(wanted.ClientKeyFile),
		Password:      tea.String(wanted.Password),
	})
	if err != nil {
		return answer{}, err
	}
	runtime := &openapiutil.RuntimeOptions{Autoretry: tea.Bool(wanted.Retry)}
	keyID, algorithm, kind := tea.String(wanted.KeyID), tea.String(wanted.Algorithm), tea.String("DIGEST")
	switch wanted.API {
	case "Sign":
		request := &dkms.SignRequest{KeyId: keyID, Algorithm: algorithm, Message: wanted.Message, MessageType: kind}
		got, err := client.SignWithOptions(request, runtime)
		if err != nil {
			return answer{}, err
		}
		return answer{
			KeyID: tea.StringValue(got.KeyId), Algorithm: tea.StringValue(got.Algorithm),
			Signature: got.Signature, RequestID: tea.StringValue(got.RequestId),
		}, nil
	case "Verify":
		request := &dkms.VerifyRequest{
			KeyId: keyID, Algorithm: algorithm, Message: wanted.Message, MessageType: kind, Signature: wanted.Signature,
		}
		got, err := client.VerifyWithOptions(request, runtime)
		if err != nil {
			return answer{}, err
		}
		return answer{KeyID: tea.StringValue(got.KeyId), Value: got.Value, RequestID: tea.StringValue(got.RequestId)}, nil
	case "GetPublicKey":
		got, err := client.GetPublicKeyWithOptions(&dkms.GetPublicKeyRequest{KeyId: keyID}, runtime)
		if err != nil {
			return answer{}, err
		}
		return answer{
			KeyID: tea.StringValue(got.KeyId), PublicKey: tea.StringValue(got.PublicKey),
			RequestID: tea.StringValue(got.RequestId),
		}, nil
	}
	return answer{}, fmt.Errorf("there is no %q", wanted.API)
}

func failure(err error) answer {
	var service *tea.SDKError
	if errors.As(err, &service) {
		return answer{Code: tea.StringValue(service.Code), Message: tea.StringValue(service.Message)}
	}
	return answer{Message: err.Error()}
}
