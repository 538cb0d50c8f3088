// Oracle of the Pod Security Standards: what the upstream policy module says of pods.
//
// Standard input is JSON lines {"level": "baseline"|"restricted", "minors": [25, 30], "object": a pod or a kind
// that carries one}; standard output, line by line, {"failed": {"25": [check IDs], ...}} or {"error": message}
// for a pod that the API server could not read.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kjson "sigs.k8s.io/json"
)

type question struct {
	Level  api.Level       `json:"level"`
	Minors []int           `json:"minors"`
	Object json.RawMessage `json:"object"`
}

type answer struct {
	Failed map[int][]string `json:"failed,omitempty"`
	Error  string           `json:"error,omitempty"`
}

// template is what a pod and a pod template have in common.
type template = corev1.PodTemplateSpec

// carrier has a pod template in each of the places where a kind may keep it.
type carrier struct {
	Kind     string    `json:"kind"`
	Template *template `json:"template"`
	Spec     struct {
		Template    *template `json:"template"`
		JobTemplate struct {
			Spec struct {
				Template *template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

// named gives the upstream checks, each of which says its own ID as the reason for which it refuses: the
// evaluator that chooses checks by level and version, and drops the overridden ones, does not tell which spoke.
func named() []policy.Check {
	checks := policy.DefaultChecks()
	for _, check := range checks {
		for i, version := range check.Versions {
			check.Versions[i].CheckPod = func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) policy.CheckResult {
				result := version.CheckPod(meta, spec)
				result.ForbiddenReason = string(check.ID)
				return result
			}
		}
	}
	return checks
}

// read gives the pod of an object as the API server reads it: fields in their exact case, no defaults set.
func read(text []byte) (*template, error) {
	var object carrier
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &object); err != nil {
		return nil, err
	}
	switch object.Kind {
	case "Pod":
		pod := &template{}
		return pod, kjson.UnmarshalCaseSensitivePreserveInts(text, pod)
	case "PodTemplate":
		return object.Template, nil
	case "CronJob":
		return object.Spec.JobTemplate.Spec.Template, nil
	default:
		return object.Spec.Template, nil
	}
}

func ask(evaluator policy.Evaluator, q question) answer {
	pod, err := read(q.Object)
	if err != nil {
		return answer{Error: err.Error()}
	}
	failed := map[int][]string{}
	for _, minor := range q.Minors {
		failed[minor] = []string{}
		if pod == nil {
			continue
		}
		version := api.LevelVersion{Level: q.Level, Version: api.MajorMinorVersion(1, minor)}
		for _, result := range evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				failed[minor] = append(failed[minor], result.ForbiddenReason)
			}
		}
	}
	return answer{Failed: failed}
}

func main() {
	evaluator, err := policy.NewEvaluator(named(), nil)
	if err != nil {
		log.Fatal(err)
	}
	out := bufio.NewWriter(os.Stdout)
	decoder, encoder := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(out)
	for decoder.More() {
		var q question
		if err := decoder.Decode(&q); err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(ask(evaluator, q)); err != nil {
			log.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
