# Version numbers that nodes and servers report.
package kubekeep.lib.version

# The first three numbers of a version such as `v1.34.2-eks-1`, `containerd://1.7.2` or `5.15.0-91-generic`;
# lists of numbers compare like versions. Undefined for other text.
numbers(text) := [to_number(number) | some number in array.slice(match[0], 1, 4)] if {
	match := regex.find_all_string_submatch_n(`^(?:[a-z-]+://)?v?([0-9]+)\.([0-9]+)\.([0-9]+)`, text, 1)
	count(match) > 0
}
