// Oracle of the reports: what Go's readers of metrics and of GitHub's Markdown make of a text.
//
// Standard input is a JSON array of {"format": "prometheus" | "markdown", "text": text}; standard output a JSON
// array of the same length, each {"error": message}, {"families": {name: number of series}} or {"html": text}.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

type question struct {
	Format string `json:"format"`
	Text   string `json:"text"`
}

type answer struct {
	Error    string         `json:"error,omitempty"`
	Families map[string]int `json:"families,omitempty"`
	HTML     string         `json:"html,omitempty"`
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))

func ask(asked question) answer {
	if asked.Format == "markdown" {
		var out bytes.Buffer
		if err := markdown.Convert([]byte(asked.Text), &out); err != nil {
			return answer{Error: err.Error()}
		}
		return answer{HTML: out.String()}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(strings.NewReader(asked.Text))
	if err != nil {
		return answer{Error: err.Error()}
	}
	families := map[string]int{}
	for name, family := range found {
		families[name] = len(family.GetMetric())
	}
	return answer{Families: families}
}

func main() {
	var asked []question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(asked))
	for i, each := range asked {
		answers[i] = ask(each)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
