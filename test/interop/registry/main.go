// Command registry serves go-containerregistry's in-memory registry on loopback with the referrers API, as the
// distribution specification words it.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// 4 MiB, the least a registry must take (distribution-spec, "Pushing Manifests").
const manifestBytesMax = 4 << 20

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1; 0 takes a free one")
	flag.Parse()
	library := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %s\n", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		switch {
		case request.Method == http.MethodPut && strings.Contains(request.URL.Path, "/manifests/"):
			putManifest(library, response, request)
		case request.Method == http.MethodGet && strings.Contains(request.URL.Path, "/referrers/"):
			getReferrers(library, response, request)
		default:
			library.ServeHTTP(response, request)
		}
	})))
}

// A registry with the referrers API answers OCI-Subject (distribution-spec, "Pushing Manifests with Subject");
// the library does not.
func putManifest(library http.Handler, response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, manifestBytesMax))
	if err != nil {
		http.Error(response, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var manifest struct {
		Subject *v1.Descriptor `json:"subject"`
	}
	if json.Unmarshal(body, &manifest) == nil && manifest.Subject != nil {
		response.Header().Set("OCI-Subject", manifest.Subject.Digest.String())
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	library.ServeHTTP(response, request)
}

// The descriptors of the list carry the artifactType of the manifest, and only without one its config's media type
// (distribution-spec, "Listing Referrers"); the library always gives the latter, so verifiers would skip every
// signature with an empty config.
func getReferrers(library http.Handler, response http.ResponseWriter, request *http.Request) {
	listed := serve(library, request.URL.Path)
	var index v1.IndexManifest
	if listed.Code != http.StatusOK || json.Unmarshal(listed.Body.Bytes(), &index) != nil {
		library.ServeHTTP(response, request)
		return
	}
	repository := request.URL.Path[:strings.LastIndex(request.URL.Path, "/referrers/")]
	for i, descriptor := range index.Manifests {
		var manifest struct {
			ArtifactType string `json:"artifactType"`
		}
		stored := serve(library, repository+"/manifests/"+descriptor.Digest.String())
		if json.Unmarshal(stored.Body.Bytes(), &manifest) == nil && manifest.ArtifactType != "" {
			index.Manifests[i].ArtifactType = manifest.ArtifactType
		}
	}
	response.Header().Set("Content-Type", string(index.MediaType))
	_ = json.NewEncoder(response).Encode(index)
}

func serve(library http.Handler, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	library.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder
}
