// Oracle of signed libraries: the registry client, the signatures and the key format that cosign is made of.
//
//	signature verify PUBLIC-KEY REFERENCE   prints the digest that a signature in cosign's tag speaks for
//	signature sign PRIVATE-KEY REFERENCE    adds a signature as cosign does; the password is empty
//	signature keygen FOLDER PASSWORD        writes cosign.key, encrypted, and cosign.pub
//
// Registries are spoken to without TLS: they are the ones that the tests start.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

const (
	annotation = "dev.cosignproject.cosign/signature"
	mediaType  = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
)

// must ends the program: its user is a test, which shows what it says.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func target(reference string) (name.Digest, name.Tag) {
	asked := must(name.ParseReference(reference, name.Insecure))
	digest := must(remote.Head(asked)).Digest
	repository := asked.Context()
	return repository.Digest(digest.String()), repository.Tag(strings.Replace(digest.String(), ":", "-", 1) + ".sig")
}

func verify(key, reference string) error {
	public := must(cryptoutils.UnmarshalPEMToPublicKey(must(os.ReadFile(key))))
	verifier := must(signature.LoadVerifier(public, crypto.SHA256))
	digest, tag := target(reference)
	signatures := must(remote.Image(tag))
	for _, layer := range must(signatures.Manifest()).Layers {
		found := must(signatures.LayerByDigest(layer.Digest))
		text := new(bytes.Buffer)
		must(text.ReadFrom(must(found.Compressed())))
		signed := must(base64.StdEncoding.DecodeString(layer.Annotations[annotation]))
		if err := verifier.VerifySignature(bytes.NewReader(signed), bytes.NewReader(text.Bytes())); err != nil {
			log.Print(err)
			continue
		}
		var said payload.Cosign
		if err := json.Unmarshal(text.Bytes(), &said); err != nil {
			return err
		}
		if said.Image.DigestStr() != digest.DigestStr() {
			return fmt.Errorf("signed is %s", said.Image)
		}
		fmt.Println(said.Image.DigestStr())
		return nil
	}
	return fmt.Errorf("no signature of %s for this key", digest)
}

func sign(key, reference string) error {
	block, _ := pem.Decode(must(os.ReadFile(key)))
	private := must(x509.ParsePKCS8PrivateKey(must(encrypted.Decrypt(block.Bytes, nil))))
	signer := must(signature.LoadSigner(private, crypto.SHA256))
	digest, tag := target(reference)
	text := must(payload.Cosign{Image: digest}.MarshalJSON())
	signed := must(signer.SignMessage(bytes.NewReader(text)))
	before, err := remote.Image(tag)
	if err != nil {
		before = mutate.MediaType(empty.Image, types.OCIManifestSchema1)
		before = mutate.ConfigMediaType(before, types.OCIConfigJSON)
	}
	after := must(mutate.Append(before, mutate.Addendum{
		Layer:       static.NewLayer(text, mediaType),
		Annotations: map[string]string{annotation: base64.StdEncoding.EncodeToString(signed)},
	}))
	return remote.Write(tag, v1.Image(after))
}

func keygen(folder, password string) error {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	sealed := must(encrypted.Encrypt(must(x509.MarshalPKCS8PrivateKey(private)), []byte(password)))
	text := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed})
	if err := os.WriteFile(filepath.Join(folder, "cosign.key"), text, 0o600); err != nil {
		return err
	}
	public := must(cryptoutils.MarshalPublicKeyToPEM(private.Public()))
	return os.WriteFile(filepath.Join(folder, "cosign.pub"), public, 0o644)
}

func main() {
	commands := map[string]func(string, string) error{"verify": verify, "sign": sign, "keygen": keygen}
	if len(os.Args) != 4 || commands[os.Args[1]] == nil {
		log.Fatal("usage: signature verify|sign|keygen A B")
	}
	if err := commands[os.Args[1]](os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}
