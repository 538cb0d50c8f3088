/** The decision on a finding of a workload, or the button that makes one. */
import type { Schemas } from "../../api/client";
import type { SubjectFinding } from "../../components/finding";
import { nameSource } from "../../sources";
import { DecideButton, type ScopeChoice } from "../decisions/decide";

type Page = Schemas["SubjectPage"];

export function DecideFinding({ page, finding }: { page: Page; finding: SubjectFinding }) {
  if (finding.decision !== null)
    return (
      <p>
        <a href={`/decisions?open=${finding.decision}`}>Decision {finding.decision}</a> {finding.isDecided ? "covers it" : "is on it"}
      </p>
    );
  if (finding.closed !== null || finding.isSuppressed) return null;
  return (
    <p className="kk-actions">
      <DecideButton definitions={[finding.definition.key]} title={finding.definition.title} choices={listChoices(page, finding)} />
    </p>
  );
}

/** Return the scopes for a finding, the smallest first. */
function listChoices(page: Page, finding: SubjectFinding): ScopeChoice[] {
  const { subject } = page.entry;
  const sources = [page.sourceKey];
  const source = nameSource({ name: page.sourceName, branch: page.branch });
  const choices: ScopeChoice[] = [];
  if (finding.detail) choices.push({ label: "This finding", scope: { sources, fingerprints: [finding.detail.fingerprint] } });
  if (subject.type === "resource") {
    const { kind, namespace, name } = subject;
    if (namespace) {
      choices.push({ label: `${kind} ${name} in namespace ${namespace} of all sources`, scope: { kinds: [kind], namespaces: [namespace], names: [name] } });
      choices.push({ label: `Namespace ${namespace} of ${source}`, scope: { sources, namespaces: [namespace] } });
      choices.push({ label: `Namespace ${namespace} of all sources`, scope: { namespaces: [namespace] } });
    }
  }
  choices.push({ label: `All of ${source}`, scope: { sources } });
  choices.push({ label: "All sources", scope: {} });
  return choices;
}
