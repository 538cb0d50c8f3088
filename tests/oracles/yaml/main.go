// Oracle of the manifest reader: what sigs.k8s.io/yaml, kubectl's YAML parser, makes of each document.
//
// Standard input is a JSON array of strings, each one document; standard output a JSON array of the same
// length, each {"json": text} or {"error": message}. The text is what YAMLToJSON gives, as kubectl calls it;
// "strict" holds the error of YAMLToJSONStrict (duplicate keys), where that differs.
package main

import (
	"encoding/json"
	"log"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	JSON   string `json:"json,omitempty"`
	Error  string `json:"error,omitempty"`
	Strict string `json:"strict,omitempty"`
}

func ask(document string) (out answer) {
	text, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return answer{Error: err.Error()}
	}
	out.JSON = string(text)
	if _, err := yaml.YAMLToJSONStrict([]byte(document)); err != nil {
		out.Strict = err.Error()
	}
	return out
}

func main() {
	var documents []string
	if err := json.NewDecoder(os.Stdin).Decode(&documents); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(documents))
	for i, document := range documents {
		answers[i] = ask(document)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
