// Oracle of ValidatingAdmissionPolicies: what the API server's own admission code says of objects.
//
// Standard input is JSON lines {"policy": a ValidatingAdmissionPolicy, "requests": [{"object": ..., "resource":
// the plural, "namespace": a Namespace or null, "params": an object or null}]}; standard output, line by line,
// {"problems": [...]} for a policy that does not compile, or {"answers": [{"matches": bool, "error": message,
// "decisions": [{"evaluation": "admit"|"deny"|"error", "message": ...}]}]}, one answer a request.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	kjson "sigs.k8s.io/json"
)

// object reads whole numbers as integers, as the API server does.
type object map[string]any

func (o *object) UnmarshalJSON(text []byte) error {
	return kjson.UnmarshalCaseSensitivePreserveInts(text, (*map[string]any)(o))
}

type request struct {
	Object    object            `json:"object"`
	Resource  string            `json:"resource"`
	Namespace *corev1.Namespace `json:"namespace"`
	Params    object            `json:"params"`
}

type question struct {
	Policy   v1.ValidatingAdmissionPolicy `json:"policy"`
	Requests []request                    `json:"requests"`
}

type decision struct {
	Evaluation string `json:"evaluation"`
	Message    string `json:"message,omitempty"`
}

type reply struct {
	Matches   bool       `json:"matches"`
	Error     string     `json:"error,omitempty"`
	Decisions []decision `json:"decisions"`
}

type answer struct {
	Problems []string `json:"problems,omitempty"`
	Answers  []reply  `json:"answers,omitempty"`
}

type policyCompiler struct {
	compiled cel.ConditionCompiler
	single   cel.Compiler
	problems []string
}

// conditions compiles expressions as the admission plugin does, and notes those that do not compile.
func (c *policyCompiler) conditions(accessors []cel.ExpressionAccessor, params, authorizer bool) cel.ConditionEvaluator {
	declared := cel.OptionalVariableDeclarations{HasParams: params, HasAuthorizer: authorizer}
	for _, accessor := range accessors {
		if accessor == nil {
			continue
		}
		if result := c.single.CompileCELExpression(accessor, declared, environment.StoredExpressions); result.Error != nil {
			c.problems = append(c.problems, result.Error.Error())
		}
	}
	return c.compiled.CompileCondition(accessors, declared, environment.StoredExpressions)
}

func compile(policy *v1.ValidatingAdmissionPolicy) (validating.Validator, []string) {
	composited, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		log.Fatal(err)
	}
	params := policy.Spec.ParamKind != nil
	c := &policyCompiler{compiled: composited, single: composited.Compiler}
	for _, variable := range policy.Spec.Variables {
		accessor := &validating.Variable{Name: variable.Name, Expression: variable.Expression}
		declared := cel.OptionalVariableDeclarations{HasParams: params, HasAuthorizer: true}
		result := composited.CompileAndStoreVariable(accessor, declared, environment.StoredExpressions)
		if result.Error != nil {
			c.problems = append(c.problems, result.Error.Error())
		}
	}
	var matcher matchconditions.Matcher
	if len(policy.Spec.MatchConditions) > 0 {
		accessors := make([]cel.ExpressionAccessor, len(policy.Spec.MatchConditions))
		for i := range policy.Spec.MatchConditions {
			accessors[i] = (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i])
		}
		filter := c.conditions(accessors, params, true)
		matcher = matchconditions.NewMatcher(filter, policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	}
	validations := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	messages := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	for i, validation := range policy.Spec.Validations {
		validations[i] = &validating.ValidationCondition{
			Expression: validation.Expression, Message: validation.Message, Reason: validation.Reason,
		}
		if validation.MessageExpression != "" {
			messages[i] = &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression}
		}
	}
	validator := validating.NewValidator(
		c.conditions(validations, params, true), matcher, c.conditions(nil, params, true),
		c.conditions(messages, params, false), policy.Spec.FailurePolicy, nil)
	return validator, c.problems
}

// setDefaults sets what the API server's defaulting sets before a policy is stored.
func setDefaults(policy *v1.ValidatingAdmissionPolicy) {
	equivalent := v1.Equivalent
	if policy.Spec.MatchConstraints == nil {
		policy.Spec.MatchConstraints = &v1.MatchResources{}
	}
	constraints := policy.Spec.MatchConstraints
	if constraints.NamespaceSelector == nil {
		constraints.NamespaceSelector = &metav1.LabelSelector{}
	}
	if constraints.ObjectSelector == nil {
		constraints.ObjectSelector = &metav1.LabelSelector{}
	}
	if constraints.MatchPolicy == nil {
		constraints.MatchPolicy = &equivalent
	}
}

// objectInterfaces knows which resources are the same.
type objectInterfaces struct {
	admission.ObjectInterfaces
	mapper runtime.EquivalentResourceMapper
}

func (o *objectInterfaces) GetEquivalentResourceMapper() runtime.EquivalentResourceMapper {
	return o.mapper
}

func ask(policy *v1.ValidatingAdmissionPolicy, validator validating.Validator, r request) reply {
	object := &unstructured.Unstructured{Object: r.Object}
	kind := object.GroupVersionKind()
	resource := kind.GroupVersion().WithResource(r.Resource)
	namespace := object.GetNamespace()
	if kind.Group == "" && kind.Kind == "Namespace" {
		namespace = object.GetName()
	}
	attributes := admission.NewAttributesRecord(object, nil, kind, namespace, object.GetName(), resource, "",
		admission.Create, nil, false, &user.DefaultInfo{})
	namespaces := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	if r.Namespace != nil {
		if err := namespaces.Add(r.Namespace); err != nil {
			log.Fatal(err)
		}
	}
	matcher := generic.NewPolicyMatcher(matching.NewMatcher(corelisters.NewNamespaceLister(namespaces), nil))
	// A cluster serves every version of a group; the newest of the built-in groups is v1.
	registry := runtime.NewEquivalentResourceRegistry()
	for _, version := range []string{kind.Version, "v1"} {
		served := resource.GroupResource().WithVersion(version)
		registry.RegisterKindFor(served, "", kind.GroupKind().WithVersion(version))
	}
	interfaces := &objectInterfaces{admission.NewObjectInterfacesFromScheme(runtime.NewScheme()), registry}
	accessor := validating.NewValidatingAdmissionPolicyAccessor(policy)
	matches, matched, _, err := matcher.DefinitionMatches(attributes, interfaces, accessor)
	if err != nil {
		return reply{Error: err.Error()}
	}
	if !matches {
		return reply{}
	}
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedObject: admission.NewLazyObject(object),
		VersionedKind: kind}
	var params runtime.Object
	if r.Params != nil {
		params = &unstructured.Unstructured{Object: r.Params}
	}
	result := validator.Validate(context.Background(), matched, versioned, params, r.Namespace,
		celconfig.RuntimeCELCostBudget, nil)
	answer := reply{Matches: true, Decisions: []decision{}}
	for _, made := range result.Decisions {
		answer.Decisions = append(answer.Decisions, decision{string(made.Evaluation), made.Message})
	}
	return answer
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	decoder, encoder := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(out)
	for decoder.More() {
		var q question
		if err := decoder.Decode(&q); err != nil {
			log.Fatal(err)
		}
		setDefaults(&q.Policy)
		validator, problems := compile(&q.Policy)
		given := answer{Problems: problems}
		if len(problems) == 0 {
			for _, r := range q.Requests {
				given.Answers = append(given.Answers, ask(&q.Policy, validator, r))
			}
		}
		if err := encoder.Encode(given); err != nil {
			log.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
