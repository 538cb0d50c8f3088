# Patterns of credentials for cheap filters.
# A package of its own: a reference to a rule of a package makes the engine evaluate all of them.
package kubekeep.lib.credential_patterns

# All patterns combined; without patterns, one that matches nothing.
looks(patterns) := any_of(patterns) if {
	regex.is_valid(any_of(patterns))
} else := any_of([pattern | some pattern in patterns; regex.is_valid(pattern)])

any_of(patterns) := sprintf("(?:%s)", [concat(")|(?:", patterns)]) if {
	count(patterns) > 0
} else := `[^\s\S]`

# Tokens with a prefix that no other text has (documentation of the vendors). Prefixes of keys for tests are left out.
token := concat("", [
	`\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{20}|gl(?:pat|oas|dt|rt|cbt|ptt|ft|agent|soat)-[\w-]{20}`,
	`|sk-(?:ant|proj|svcacct|admin)-[\w-]{20}|[rs]k_live_[0-9A-Za-z]{16}|hf_[A-Za-z]{30}|npm_[0-9A-Za-z]{36}`,
	`|pypi-AgE[\w-]{50}|rubygems_[0-9a-f]{48}|dckr_[op]at_[\w-]{20}|do[opr]_v1_[0-9a-f]{64}|hv[bs]\.[\w-]{20}`,
	`|glsa_\w{30}|glc_eyJ\w{30}|AGE-SECRET-KEY-1[A-Z0-9]{50}|SG\.[\w-]{16,}\.[\w-]{20}|GOCSPX-[\w-]{20}`,
	`|shp(?:at|ca|pa|ss)_[0-9a-f]{32}|dapi[0-9a-f]{32}|tskey-[a-z]+-\w{10}|pul-[0-9a-f]{40}|lin_api_\w{30}`,
	`|ATATT3[\w=-]{20}|NRAK-[0-9A-Z]{27}|PMAK-[0-9a-f]{24}|xapp-[0-9]-[0-9A-Z]{8})`,
])
