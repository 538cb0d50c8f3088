// Oracle of RBAC: which requests the authorizer of the API server allows.
//
// Standard input is JSON lines {"roles", "clusterRoles", "roleBindings", "clusterRoleBindings": lists of objects,
// "requests": [{"user", "groups", "verb", "namespace", "group", "resource", "subresource", "name"}], "complete"}; standard
// output, line by line, a list with a boolean for each request. Aggregated ClusterRoles are filled in. Unless the input
// is complete, the roles that an API server creates are added. With the argument `builtin`, the output is the list of the roles that a server creates.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"maps"
	"os"
	"reflect"
	"slices"
	"sort"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

type request struct {
	User        string   `json:"user"`
	Groups      []string `json:"groups"`
	Verb        string   `json:"verb"`
	Namespace   string   `json:"namespace"`
	Group       string   `json:"group"`
	Resource    string   `json:"resource"`
	Subresource string   `json:"subresource"`
	Name        string   `json:"name"`
}

type question struct {
	Roles               []*rbacv1.Role               `json:"roles"`
	ClusterRoles        []*rbacv1.ClusterRole        `json:"clusterRoles"`
	RoleBindings        []*rbacv1.RoleBinding        `json:"roleBindings"`
	ClusterRoleBindings []*rbacv1.ClusterRoleBinding `json:"clusterRoleBindings"`
	Requests            []request                    `json:"requests"`
	Complete            bool                         `json:"complete"`
}

// addBuiltin adds the roles that are missing, as an API server does at its start.
func (q *question) addBuiltin() {
	present := map[string]bool{}
	for _, role := range q.ClusterRoles {
		present[role.Name] = true
	}
	for _, role := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		if !present[role.Name] {
			q.ClusterRoles = append(q.ClusterRoles, role.DeepCopy())
		}
	}
	present = map[string]bool{}
	for _, role := range q.Roles {
		present[role.Namespace+"/"+role.Name] = true
	}
	namespaces := bootstrappolicy.NamespaceRoles()
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		for _, role := range namespaces[namespace] {
			if !present[role.Namespace+"/"+role.Name] {
				q.Roles = append(q.Roles, role.DeepCopy())
			}
		}
	}
}

// aggregate fills in aggregated ClusterRoles until nothing changes. The controller of Kubernetes is not exported; this
// repeats its syncClusterRole.
func (q *question) aggregate() {
	sort.Slice(q.ClusterRoles, func(i, j int) bool { return q.ClusterRoles[i].Name < q.ClusterRoles[j].Name })
	for _, role := range q.ClusterRoles {
		if role.AggregationRule != nil {
			role.Rules = nil
		}
	}
	for changed := true; changed; {
		changed = false
		for _, role := range q.ClusterRoles {
			if role.AggregationRule == nil {
				continue
			}
			rules := q.union(role)
			changed = changed || !reflect.DeepEqual(rules, role.Rules)
			role.Rules = rules
		}
	}
}

func (q *question) union(role *rbacv1.ClusterRole) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			log.Fatal(err)
		}
		for _, part := range q.ClusterRoles {
			if part.Name == role.Name || !selector.Matches(labels.Set(part.Labels)) {
				continue
			}
			for _, rule := range part.Rules {
				if !contains(rules, rule) {
					rules = append(rules, rule)
				}
			}
		}
	}
	return rules
}

func contains(rules []rbacv1.PolicyRule, wanted rbacv1.PolicyRule) bool {
	for _, rule := range rules {
		if reflect.DeepEqual(rule, wanted) {
			return true
		}
	}
	return false
}

func (q *question) answer() []bool {
	if !q.Complete {
		q.addBuiltin()
	}
	q.aggregate()
	_, roles := validation.NewTestRuleResolver(q.Roles, q.RoleBindings, q.ClusterRoles, q.ClusterRoleBindings)
	server := rbac.New(roles, roles, roles, roles)
	allowed := []bool{}
	for _, request := range q.Requests {
		decision, _, _ := server.Authorize(context.Background(), authorizer.AttributesRecord{
			User:            &user.DefaultInfo{Name: request.User, Groups: request.Groups},
			Verb:            request.Verb,
			Namespace:       request.Namespace,
			APIGroup:        request.Group,
			Resource:        request.Resource,
			Subresource:     request.Subresource,
			Name:            request.Name,
			ResourceRequest: true,
		})
		allowed = append(allowed, decision == authorizer.DecisionAllow)
	}
	return allowed
}

func main() {
	out := json.NewEncoder(os.Stdout)
	if len(os.Args) > 1 {
		builtin := question{}
		builtin.addBuiltin()
		if err := out.Encode(builtin); err != nil {
			log.Fatal(err)
		}
		return
	}
	for decoder := json.NewDecoder(bufio.NewReader(os.Stdin)); decoder.More(); {
		var q question
		if err := decoder.Decode(&q); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(q.answer()); err != nil {
			log.Fatal(err)
		}
	}
}
