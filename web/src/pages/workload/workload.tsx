/** One workload or another subject: why it matters, what to change, the images that it runs, and its history. */
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { Explanation, type SubjectFinding } from "../../components/finding";
import { Card, Facts, Page } from "../../components/page";
import { plural, Severity } from "../../components/severity";
import { SoftwareDocuments } from "../../components/software";
import { Await } from "../../components/states";
import { Name } from "../../components/text";
import { Due, Time } from "../../components/time";
import { nameSource } from "../../sources";
import { keyOf } from "../identities/words";
import { DecideFinding } from "./decide";
import { kindOf, nameOf } from "./entry";
import { History } from "./history";
import { ImageProblems } from "./images";
import { subjectQuery } from "./query";

type Subject = Schemas["SubjectPage"];

export default function Workload({ source, subject }: { source: number; subject: string }) {
  const page = useQuery(subjectQuery(source, subject));
  return (
    <Page
      title={page.data ? nameOf(page.data.entry) : "Workload"}
      summary={page.data && summarize(page.data)}
      trail={[
        { name: "Findings", href: "/findings" },
        { name: page.data ? nameSource({ name: page.data.sourceName, branch: page.data.branch }) : "Source", href: `/sources/${source}` },
      ]}
    >
      <Await query={page}>{(data) => <Content page={data} />}</Await>
    </Page>
  );
}

function summarize(page: Subject): string {
  const open = page.findings.filter((finding) => finding.closed === null && isCounted(finding));
  if (page.closed) return "It no longer exists in its source.";
  const problems = page.images.reduce((total, image) => total + image.problems.reduce((count, each) => count + each, 0), 0);
  const parts = [open.length ? plural(open.length, "finding") : "No findings in what was evaluated"];
  if (page.images.length) parts.push(problems ? `${plural(problems, "problem")} in ${plural(page.images.length, "image")}` : "no known problem in its images");
  return `${parts.join(", ")}.`;
}

function Content({ page }: { page: Subject }) {
  const { entry } = page;
  const open = page.findings.filter((finding) => finding.closed === null);
  const shown = open.filter(isCounted);
  const suppressed = open.filter((finding) => finding.isSuppressed);
  const decided = open.filter((finding) => finding.isDecided);
  const gaps = entry.notEvaluated ?? [];
  return (
    <div className="kk-stack">
      {page.closed && (
        <div className="pf-v6-c-alert pf-m-inline pf-m-info">
          <p className="pf-v6-c-alert__title">
            It was missing in a scan <Time value={page.closed} />
          </p>
        </div>
      )}
      <Card title="Why it matters">
        <Reach page={page} />
      </Card>
      <Card title="What to change">
        {shown.length === 0 && <p>{gaps.length ? "No finding in the controls that were evaluated." : "Nothing."}</p>}
        <FindingList page={page} findings={shown} />
        {decided.length > 0 && (
          <details>
            <summary>{plural(decided.length, "finding")} covered by decisions</summary>
            <FindingList page={page} findings={decided} />
          </details>
        )}
        {suppressed.length > 0 && (
          <details>
            <summary>{plural(suppressed.length, "finding")} covered by exceptions</summary>
            <FindingList page={page} findings={suppressed} />
          </details>
        )}
      </Card>
      {gaps.length > 0 && (
        <Card title="Not evaluated">
          <p>These controls say nothing about this workload:</p>
          <ul>
            {gaps.map((gap, index) => (
              <li key={index}>
                {gap.definitions.map((key) => key.split("/").at(-1)).join(", ")}
                {gap.reason && `: ${gap.reason}`}
              </li>
            ))}
          </ul>
        </Card>
      )}
      {(page.images.length > 0 || page.failures.length > 0) && (
        <Card title="Images">
          {page.failures.map((failure) => (
            <p key={failure.container}>
              <strong>{failure.container}</strong> <Name text={failure.image} />
              <span className="kk-notice">
                not scanned <Time value={failure.moment} />: {failure.reason}
              </span>
            </p>
          ))}
          {page.images.map((image) => (
            <ImageProblems key={image.container + image.digest} image={image} />
          ))}
          <SoftwareDocuments path={`sources/${page.source}/subjects/${page.entry.key}`} />
        </Card>
      )}
      <Card title="History">
        <History page={page} />
      </Card>
    </div>
  );
}

/** The way from outside to what the workload may do, as steps. */
function Reach({ page }: { page: Subject }) {
  const { entry } = page;
  const steps = [
    entry.exposure && { name: "Outside", text: entry.exposure },
    { name: kindOf(entry), text: nameOf(entry) },
    entry.power && { name: "Power", text: entry.power },
    entry.rights && { name: "Rights", text: entry.rights },
  ].filter((step) => Boolean(step)) as { name: string; text: string }[];
  return (
    <>
      {steps.length > 1 ? (
        <ol className="kk-steps" aria-label="Steps of an attack">
          {steps.map((step) => (
            <li key={step.name}>
              <strong>{step.name}</strong>
              <span>{step.text}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p>No way from outside the cluster, no power over a node, and no access to Secrets were seen.</p>
      )}
      <Facts
        facts={[
          ["Kind", kindOf(entry)],
          ["Source", <a key="source" href={`/sources/${page.source}`}>{nameSource({ name: page.sourceName, branch: page.branch })}</a>],
          ["Permissions", entry.subject.type === "resource" && entry.subject.kind === "ServiceAccount" && !entry.origin && <a key="permissions" href={`/identities?cluster=${page.source}&open=${encodeURIComponent(keyOf({ kind: "ServiceAccount", namespace: entry.subject.namespace ?? "", name: entry.subject.name }))}`}>roles and bindings of this account</a>],
          ["Owner", entry.owner && <a key="owner" href={`/findings?owner=${encodeURIComponent(entry.owner)}`}>{entry.owner}</a>],
          ["Labels", Object.keys(entry.labels ?? {}).length > 0 && <Labels key="labels" labels={entry.labels ?? {}} />],
          ["File", entry.origin && <code key="origin">{entry.origin}</code>],
          ["Containers", (entry.containers ?? []).map((container) => container.name).filter(Boolean).join(", ")],
          ["First seen", <Time key="opened" value={page.opened} />],
        ]}
      />
    </>
  );
}

/** Labels, each with a link to the findings of all workloads that have it. */
function Labels({ labels }: { labels: Record<string, string> }) {
  const texts = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return (
    <ul className="kk-labels">
      {texts.map((text) => (
        <li key={text}>
          <a href={`/findings?label=${encodeURIComponent(text)}`}>
            <Name text={text} />
          </a>
        </li>
      ))}
    </ul>
  );
}

/** Return true if neither an exception nor a decision covers a finding. */
function isCounted(finding: SubjectFinding): boolean {
  return !finding.isSuppressed && !finding.isDecided;
}

function FindingList({ page, findings }: { page: Subject; findings: SubjectFinding[] }) {
  return (
    <ol className="kk-findings">
      {findings.map((finding) => (
        <Finding key={finding.definition.key + finding.opened} page={page} finding={finding} />
      ))}
    </ol>
  );
}

function Finding({ page, finding }: { page: Subject; finding: SubjectFinding }) {
  return (
    <li>
      <h3 className="kk-finding-title">
        <Severity level={finding.priority} /> <span className="kk-id">{finding.definition.id}</span> {finding.definition.title}
      </h3>
      <p className="kk-soft">
        Severity of the control: {finding.definition.severity}. Open since <Time value={finding.opened} />
        {finding.unknownSince && (
          <>
            , not seen since <Time value={finding.unknownSince} />
          </>
        )}
        {finding.due && (
          <>
            , <Due value={finding.due} />
          </>
        )}
      </p>
      <Explanation finding={finding} />
      <DecideFinding page={page} finding={finding} />
    </li>
  );
}
