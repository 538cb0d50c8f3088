// Command fulcio serves the HTTP API of Fulcio on a loopback address.
//
// It uses the packages of Fulcio for identities, certificates and the certificate log. Fulcio's own command also serves
// metrics, on all addresses of the machine.
//
// Arguments: CONFIG CERTIFICATES KEY PASSWORD LOG-URL LOG-KEY. It prints its address.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca/fileca"
	"github.com/sigstore/fulcio/pkg/config"
	gateway "github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/server"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
)

func main() {
	if len(os.Args) != 7 {
		log.Fatal("usage: fulcio CONFIG CERTIFICATES KEY PASSWORD LOG-URL LOG-KEY")
	}
	configuration := must(config.Load(os.Args[1]))
	authority := must(fileca.NewFileCA(os.Args[2], os.Args[3], os.Args[4], false))
	key := must(os.ReadFile(os.Args[6]))
	certificateLog := must(ctclient.New(os.Args[5], &http.Client{Timeout: 30 * time.Second}, jsonclient.Options{PublicKey: string(key)}))
	algorithms := must(signature.NewAlgorithmRegistryConfig([]common.PublicKeyDetails{common.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256}))
	service := server.NewGRPCCAServer(certificateLog, authority, algorithms, server.NewIssuerPool(configuration))

	mux := runtime.NewServeMux()
	if err := gateway.RegisterCAHandlerServer(context.Background(), mux, service); err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		mux.ServeHTTP(writer, request.WithContext(config.With(request.Context(), configuration)))
	})
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(listener.Addr())
	log.Fatal((&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
