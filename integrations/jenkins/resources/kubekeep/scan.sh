# Install Kubekeep if this version is not on the PATH, scan, and end with the exit code of the scan.
# Options are in KUBEKEEP_* variables, never in this text. The SARIF report is always written.
set +ex -u
reports=${KUBEKEEP_REPORTS:-kubekeep-reports}
mkdir -p "$reports" && rm -f "$reports"/kubekeep.*
error='the scan wrote no report; the log of the job has the reason'
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"kubekeep"}},"invocations":[{"executionSuccessful":false,"toolExecutionNotifications":[{"level":"error","message":{"text":"%s"}}]}],"results":[]}]}\n' \
  "$error" > "$reports/kubekeep.sarif" || exit 3

if [ -n "${KUBEKEEP_REQUIREMENTS:-}" ] || [ "$(kubekeep --version 2>&1)" != "kubekeep $KUBEKEEP_VERSION" ]; then
  venv=$(mktemp -d) && python3 -m venv "$venv" || exit 3
  if [ -n "${KUBEKEEP_REQUIREMENTS:-}" ]; then
    "$venv/bin/pip" install -q --require-hashes --only-binary=:all: -r "$KUBEKEEP_REQUIREMENTS" || exit 3
  else
    "$venv/bin/pip" install -q --only-binary=:all: "kubekeep==$KUBEKEEP_VERSION" || exit 3
  fi
  PATH=$venv/bin:$PATH
fi

# Reports without the files of a misspelt path would close the findings of these files.
set -f
IFS='
'
for path in ${KUBEKEEP_PATHS:-.}; do
  case $path in
    *[:*?[]* | -) ;;
    *) [ -e "$path" ] || [ -L "$path" ] || { echo "paths: $path: no such file or folder" >&2; exit 2; } ;;
  esac
done

# xargs splits quoted words and expands nothing. Only line feeds separate words, and patterns are text.
words=$(printf '%s\n' "${KUBEKEEP_ARGS:-}" | xargs -n 1 printf '%s\n') || exit 2
# shellcheck disable=SC2086
set -- $words
for option in fail-on:"${KUBEKEEP_FAIL_ON:-}" severity-threshold:"${KUBEKEEP_SEVERITY_THRESHOLD:-}" \
  compliance-threshold:"${KUBEKEEP_COMPLIANCE_THRESHOLD:-}" framework:"${KUBEKEEP_FRAMEWORKS:-}" \
  exceptions:"${KUBEKEEP_EXCEPTIONS:-}" baseline:"${KUBEKEEP_BASELINE:-}"; do
  if [ -n "${option#*:}" ]; then set -- "$@" "--${option%%:*}=${option#*:}"; fi
done
set -- "$@" "--format=pretty,sarif,${KUBEKEEP_FORMATS:-junit}" "--output=$reports/kubekeep" --
if [ -n "${KUBEKEEP_CONTROLS:-}" ]; then set -- "$@" control "$KUBEKEEP_CONTROLS"; fi
# shellcheck disable=SC2086
kubekeep scan "$@" ${KUBEKEEP_PATHS:-.}
code=$?
# Nothing was assessed, or only parts without a finding: GitLab would close all findings.
set +f
if [ "$code" -eq 3 ] && grep -q '"results":\[\]' "$reports/kubekeep.sarif"; then rm -f "$reports"/kubekeep.gitlab-*; fi
if [ -f "$reports/kubekeep.txt" ]; then cat "$reports/kubekeep.txt"; fi
exit "$code"
