// Oracle of the Dockerfile reader: BuildKit's parser and its check of instructions.
//
// Standard input is a JSON array of objects, standard output a JSON array of the same length. {"file": text} is a
// Dockerfile: the answer has its instructions with arguments, flags, heredocs and lines, the names and bases of its
// stages, or "error" with the first line it is about (0 if there is none). {"word": text, "env": {...}} is a word: the
// answer has its expansion as "word".
package main

import (
	"encoding/json"
	"errors"
	"log"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

type question struct {
	File   *string           `json:"file"`
	Word   string            `json:"word"`
	Escape string            `json:"escape"`
	Env    map[string]string `json:"env"`
}

type heredoc struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Expand  bool   `json:"expand"`
	Chomp   bool   `json:"chomp"`
}

type instruction struct {
	Keyword  string    `json:"keyword"`
	Flags    []string  `json:"flags"`
	Args     []string  `json:"args"`
	JSON     bool      `json:"json"`
	Heredocs []heredoc `json:"heredocs"`
	Start    int       `json:"start"`
	End      int       `json:"end"`
}

type stage struct {
	Base     string `json:"base"`
	Name     string `json:"name"`
	Platform string `json:"platform"`
	Count    int    `json:"count"`
}

type answer struct {
	Instructions []instruction `json:"instructions,omitempty"`
	Stages       []stage       `json:"stages,omitempty"`
	Word         *string       `json:"word,omitempty"`
	Error        string        `json:"error,omitempty"`
	Line         int           `json:"line,omitempty"`
}

func arguments(node *parser.Node) []string {
	result := []string{}
	for ; node.Next != nil; node = node.Next {
		if next := node.Next; len(next.Children) == 1 {
			result = append(result, next.Children[0].Value)
			result = append(result, arguments(next.Children[0])...)
		} else if len(next.Children) == 0 {
			result = append(result, next.Value)
		}
	}
	return result
}

func failure(err error) answer {
	// Of several similar instructions BuildKit suggests one at random.
	message, _, _ := strings.Cut(err.Error(), " (did you mean ")
	result := answer{Error: message}
	var location *parser.LocationError
	if errors.As(err, &location) && len(location.Locations) > 0 && len(location.Locations[0]) > 0 {
		result.Line = location.Locations[0][0].Start.Line
	}
	return result
}

func read(text string) answer {
	result, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return failure(err)
	}
	var out answer
	for _, node := range result.AST.Children {
		read := instruction{
			Keyword: strings.ToUpper(node.Value),
			Flags:   append([]string{}, node.Flags...),
			Args:    arguments(node),
			JSON:    node.Attributes["json"],
			Start:   node.StartLine,
			End:     node.EndLine,
		}
		for _, doc := range node.Heredocs {
			read.Heredocs = append(read.Heredocs, heredoc{doc.Name, doc.Content, doc.Expand, doc.Chomp})
		}
		out.Instructions = append(out.Instructions, read)
	}
	stages, _, err := instructions.Parse(result.AST, linter.New(&linter.Config{}))
	if err != nil {
		return failure(err)
	}
	for _, entry := range stages {
		out.Stages = append(out.Stages, stage{entry.BaseName, entry.Name, entry.Platform, len(entry.Commands)})
	}
	if len(stages) == 0 {
		return answer{Error: "no stages"}
	}
	return out
}

type environment map[string]string

func (env environment) Get(name string) (string, bool) {
	value, ok := env[name]
	return value, ok
}

func (env environment) Keys() []string {
	return nil
}

func expand(asked question) answer {
	word, _, err := shell.NewLex(rune(asked.Escape[0])).ProcessWord(asked.Word, environment(asked.Env))
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Word: &word}
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(questions))
	for i, asked := range questions {
		if asked.File != nil {
			answers[i] = read(*asked.File)
		} else {
			answers[i] = expand(asked)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
