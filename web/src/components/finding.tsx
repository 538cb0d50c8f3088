/** Parts of a finding that lists, panels and pages of workloads show alike. */
import type { Schemas } from "../api/client";
import { describeExposure } from "./severity";
import { Copy, Prose } from "./text";

export type SubjectFinding = Schemas["SubjectFinding"];
type Evidence = Schemas["EvidenceDocument"];

const SHOWN = 20;
const SHOWN_REFERENCES = 5;

/** Reasons for the priority, in words. */
export function Reasons({ exposure, isExploited = false, isFixable }: { exposure: number; isExploited?: boolean; isFixable?: boolean }) {
  const reasons = [...describeExposure(exposure), isExploited ? "known to be exploited" : "", isFixable ? "fix available" : isFixable === false ? "no fix yet" : ""].filter(Boolean);
  return <span className="kk-reasons">{reasons.join(" · ")}</span>;
}

/** The change that removes a problem, and where. */
function Evidences({ evidence }: { evidence: Evidence[] }) {
  return (
    <ul className="kk-evidence">
      {evidence.slice(0, SHOWN).map((each, index) => (
        <li key={index}>
          <EvidenceLine evidence={each} />
        </li>
      ))}
      {evidence.length > SHOWN && <li className="kk-soft">and {evidence.length - SHOWN} more</li>}
    </ul>
  );
}

function EvidenceLine({ evidence }: { evidence: Evidence }) {
  const { location, path, fix, message } = evidence;
  const position = location && (location.line ? `${location.file}:${location.line}` : location.file);
  return (
    <>
      {path && <code className="kk-path">{path}</code>} {message && <span>{message}</span>}
      {position && (
        <div className="kk-position">
          <code>{position}</code> <Copy text={position} />
        </div>
      )}
      {evidence.package && (
        <div>
          <code>{evidence.package.name}</code> {evidence.package.version}
          {evidence.package.fixedVersion ? ` → ${evidence.package.fixedVersion}` : ", no fixed version yet"}
        </div>
      )}
      {(fix || evidence.delete) && <Change path={path ?? ""} fix={fix ?? ""} isDeletion={evidence.delete ?? false} exists={evidence.exists ?? true} />}
    </>
  );
}

/** The change of one field as a diff. fix: the new value as JSON. */
function Change({ path, fix, isDeletion, exists }: { path: string; fix: string; isDeletion: boolean; exists: boolean }) {
  const field = path.split(".").at(-1) ?? path;
  return (
    <pre className="kk-diff" aria-label="Change">
      {(isDeletion || exists) && <del>- {field}</del>}
      {!isDeletion && (
        <ins>
          + {field}: {fix}
        </ins>
      )}
    </pre>
  );
}

/** Remediation, references and history of a finding. */
export function Explanation({ finding }: { finding: SubjectFinding }) {
  const { definition, detail } = finding;
  const references = definition.page ? [definition.page, ...(definition.references ?? [])] : (definition.references ?? []);
  const exception = detail?.suppressed?.[0]?.exception;
  return (
    <>
      {definition.remediation && (
        <p>
          <Prose text={definition.remediation} />
        </p>
      )}
      {exception && (
        <p>
          Covered by the exception <code>{exception.name}</code>
          {exception.reason && `: ${exception.reason}`}
        </p>
      )}
      {detail && <Evidences evidence={[...(detail.evidence ?? []), ...(detail.suppressed ?? []).flatMap((part) => part.evidence)]} />}
      {(detail?.priority ?? definition.priority)?.reasons?.length ? <p className="kk-reasons">{(detail?.priority ?? definition.priority)?.reasons?.join(" · ")}</p> : null}
      <References addresses={references} />
    </>
  );
}

/** The first web addresses of a definition. Submitted ones are links only if a browser opens them without running anything. */
export function References({ addresses }: { addresses: string[] }) {
  const shown = addresses.filter((address) => /^https?:\/\//i.test(address)).slice(0, SHOWN_REFERENCES);
  if (!shown.length) return null;
  return (
    <ul className="kk-references">
      {shown.map((address) => (
        <li key={address}>
          <a href={address} target="_blank" rel="noreferrer">
            {address}
          </a>
        </li>
      ))}
    </ul>
  );
}
