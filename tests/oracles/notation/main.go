// Signs and verifies with the Notary Project's own library, for tests that compare it with Kubekeep's verifier.
//
//	notation sign CONFIG.json     signs an image in a registry without TLS
//	notation verify CASES.json    verifies envelopes; prints one line for each: "ok", or the error
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
)

type signing struct {
	Key, Chain, MediaType, Reference string
	ExpirySeconds                    int
	Metadata                         map[string]string
}

type verification struct {
	Folder     string // with trustpolicy.json and truststore
	Envelope   string // file
	MediaType  string
	Reference  string // repository@digest
	Descriptor ocispec.Descriptor
}

func main() {
	content, err := os.ReadFile(os.Args[2])
	if err == nil {
		switch os.Args[1] {
		case "sign":
			err = sign(content)
		case "verify":
			err = verifyAll(content)
		default:
			err = fmt.Errorf("unknown command %s", os.Args[1])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sign(content []byte) error {
	var request signing
	if err := json.Unmarshal(content, &request); err != nil {
		return err
	}
	keyed, err := signer.NewGenericSignerFromFiles(request.Key, request.Chain)
	if err != nil {
		return err
	}
	repository, err := remote.NewRepository(request.Reference)
	if err != nil {
		return err
	}
	repository.PlainHTTP = true
	// The registry of the tests cannot delete the list of referrers that this signature replaces.
	repository.SkipReferrersGC = true
	options := notation.SignOptions{
		SignerSignOptions: notation.SignerSignOptions{
			SignatureMediaType: request.MediaType,
			ExpiryDuration:     time.Duration(request.ExpirySeconds) * time.Second,
			SigningAgent:       "kubekeep-tests",
		},
		ArtifactReference: request.Reference,
		UserMetadata:      request.Metadata,
	}
	_, err = notation.Sign(context.Background(), keyed, registry.NewRepository(repository), options)
	return err
}

func verifyAll(content []byte) error {
	var requests []verification
	if err := json.Unmarshal(content, &requests); err != nil {
		return err
	}
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for _, request := range requests {
		result := "ok"
		if err := verify(request); err != nil {
			result = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(output, result)
	}
	return nil
}

func verify(request verification) error {
	content, err := os.ReadFile(request.Folder + "/trustpolicy.json")
	if err != nil {
		return err
	}
	var document trustpolicy.Document
	if err := json.Unmarshal(content, &document); err != nil {
		return err
	}
	store := truststore.NewX509TrustStore(dir.NewSysFS(request.Folder))
	subject, err := verifier.New(&document, store, nil)
	if err != nil {
		return err
	}
	envelope, err := os.ReadFile(request.Envelope)
	if err != nil {
		return err
	}
	_, err = subject.Verify(context.Background(), request.Descriptor, envelope, notation.VerifierVerifyOptions{
		ArtifactReference:  request.Reference,
		SignatureMediaType: request.MediaType,
	})
	return err
}
