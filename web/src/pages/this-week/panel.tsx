/** A change beside the list: what to do, where, and who works on it. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Facts } from "../../components/page";
import { Panel } from "../../components/panel";
import { format, plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { Command, Name, Prose } from "../../components/text";
import { Time } from "../../components/time";
import { nameSource, nameSubject } from "../../sources";
import { useUrl } from "../../url";
import { DecideButton, type ScopeChoice } from "../decisions/decide";
import { Links } from "../decisions/links";
import { ImageChangeTitle, keyOf, type Change, type ImageChange } from "./words";

const SHOWN = 10;
const MOST_PURLS = 100;
/** Commands of a build that update the packages of a distribution, by the type of their package URLs. */
const UPDATES: Record<string, string> = {
  apk: "RUN apk upgrade --no-cache",
  deb: "RUN apt-get update && apt-get upgrade -y && rm -rf /var/lib/apt/lists/*",
  rpm: "RUN dnf upgrade -y && dnf clean all",
};

export function ChangePanel({ change, onClose }: { change: Change; onClose: () => void }) {
  return (
    <Panel title={change.change === "remediation" ? change.title : <ImageChangeTitle change={change} />} rowKey={keyOf(change)} onClose={onClose}>
      {change.change === "remediation" ? <RemediationFacts remediation={change} /> : <ImageChangeFacts change={change} />}
      <h3 className="pf-v6-c-title pf-m-md">Who works on it</h3>
      <Workers change={change} />
      {change.change === "update" && <Packages update={change} />}
      {change.change === "upgrade" && <Running upgrade={change} />}
      {change.change === "remediation" && <Subjects definition={change.definition} />}
    </Panel>
  );
}

function ImageChangeFacts({ change }: { change: ImageChange }) {
  const command = change.change === "update" && UPDATES[change.type];
  return (
    <>
      {change.change === "update" && (
        <>
          <p>Rebuild the images on a current base image. Where there is none yet, update the packages in the build:</p>
          {command && <Command text={command} />}
        </>
      )}
      <Facts
        facts={[
          ["Removes", `${plural(change.removed, "problem")} of images: ${plural(change.vulnerabilities, "vulnerability", "vulnerabilities")} of high or critical priority`],
          ["In", `${plural(change.images, "image")}, ${plural(change.workloads, "workload")}`],
          ["Reachable from outside", change.exposedWorkloads > 0 && plural(change.exposedWorkloads, "workload")],
        ]}
      />
    </>
  );
}

/** The packages of an update that fix most. */
function Packages({ update }: { update: Schemas["Update"] }) {
  return (
    <>
      <h3 className="pf-v6-c-title pf-m-md">Packages</h3>
      <ul className="kk-evidence">
        {update.largest.map((each) => (
          <li key={each.name}>
            <a href={packageHref(update.type, `${update.name}/${each.name}`, each.version)}>
              {each.name} below {each.version}
            </a>
            <span className="kk-soft kk-line">{plural(each.vulnerabilities, "vulnerability", "vulnerabilities")}</span>
          </li>
        ))}
      </ul>
      {update.packages > update.largest.length && <p className="kk-soft">And {plural(update.packages - update.largest.length, "package")} that fix fewer.</p>}
    </>
  );
}

/** Return the address of the versions of a package in use below another one. */
function packageHref(type: string, name: string, below: string): string {
  return `/packages/${type}/${encodeURIComponent(name)}?below=${encodeURIComponent(below)}`;
}

function RemediationFacts({ remediation }: { remediation: Schemas["Remediation"] }) {
  return (
    <>
      {remediation.remediation && (
        <p>
          <Prose text={remediation.remediation} />
        </p>
      )}
      <Facts
        facts={[
          ["Priority", <Severity key="priority" level={remediation.priority} />],
          ["Control", <span key="control" className="kk-id">{remediation.definition}</span>],
          ["Removes", plural(remediation.removed, "finding")],
          ["Reachable from outside", remediation.exposed > 0 && format(remediation.exposed)],
        ]}
      />
    </>
  );
}

/** The people who work on a change, and the button that assigns it. */
function Workers({ change }: { change: Change }) {
  const isOfImages = change.change !== "remediation";
  const selected = useUrl().list("source").map(Number);
  const sources = useQuery({
    queryKey: ["sources", "keys", selected],
    queryFn: () => Promise.all(selected.map((source) => load(client.GET("/api/v1/sources/{source}", { params: { path: { source } } })))),
    enabled: selected.length > 0 && !isOfImages,
  });
  const choices: ScopeChoice[] = isOfImages ? [{ label: "All images", scope: { packages: change.purls } }] : [{ label: "All sources", scope: {} }];
  if (sources.data) choices.unshift({ label: sources.data.map(nameSource).join(", "), scope: { sources: [...new Set(sources.data.map((row) => row.key))] } });
  return (
    <>
      {change.work.length === 0 && <p>Nobody yet.</p>}
      <ul className="kk-evidence">
        {change.work.map((work) => (
          <li key={work.decision}>
            <a href={`/decisions?open=${work.decision}`}>{work.owner || "Somebody"}</a>
            {work.due && (
              <>
                , {new Date(work.due) < new Date() ? "was due" : "due"} <Time value={work.due} />
              </>
            )}
            {work.links.length > 0 && <Links links={work.links} />}
          </li>
        ))}
      </ul>
      <p className="kk-actions">
        <DecideButton key={choices.length} label="Assign" first="in-progress" definitions={isOfImages ? change.definitions : [change.definition]} title={isOfImages ? <ImageChangeTitle change={change} /> : change.title} choices={choices} />
      </p>
    </>
  );
}

/** The first workloads and other subjects with findings of a control. */
function Subjects({ definition }: { definition: string }) {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const query = { source, definition: [definition], priority: ["critical", "high"], limit: SHOWN };
  const findings = useQuery({ queryKey: ["findings", "of change", query], queryFn: () => load(client.GET("/api/v1/findings", { params: { query } })) });
  return (
    <Await query={findings} lines={SHOWN}>
      {({ rows }) => (
        <>
          <h3 className="pf-v6-c-title pf-m-md">Where</h3>
          <ul className="kk-evidence">
            {rows.map((row) => (
              <li key={`${row.source}.${row.subject}.${row.fingerprint}`}>
                <a href={`/workloads/${row.source}/${row.subject}`}>
                  <Name text={nameSubject(row)} />
                </a>
                <span className="kk-soft kk-line">
                  {row.kind} in {nameSource({ name: row.sourceName, branch: row.branch })}
                </span>
              </li>
            ))}
          </ul>
          <p>
            <a href={`/findings${url.with({ open: "", definition, priority: ["critical", "high"] })}`}>See all findings</a>
          </p>
        </>
      )}
    </Await>
  );
}

/** The first workloads that run images with lower versions of a package. */
function Running({ upgrade }: { upgrade: Schemas["Upgrade"] }) {
  const { type, name, version: below } = upgrade;
  const workloads = useQuery({
    queryKey: ["workloads", "of change", type, name, below],
    queryFn: async () => {
      const versions = await load(client.GET("/api/v1/packages/versions", { params: { query: { type, name, below } } }));
      const purl = versions.filter((row) => row.isBelow !== false).flatMap((row) => row.purls).slice(0, MOST_PURLS);
      return purl.length ? (await load(client.GET("/api/v1/packages/workloads", { params: { query: { purl, limit: SHOWN } } }))).rows : [];
    },
  });
  return (
    <Await query={workloads} lines={SHOWN}>
      {(rows) => (
        <>
          <h3 className="pf-v6-c-title pf-m-md">Where</h3>
          {rows.length === 0 && <p>No workload runs these images.</p>}
          <ul className="kk-evidence">
            {rows.map((row) => (
              <li key={`${row.source}.${row.subject}.${row.container}`}>
                <a href={`/workloads/${row.source}/${row.subject}`}>
                  <Name text={nameSubject(row)} />
                </a>
                <span className="kk-soft kk-line">
                  {row.kind} in {nameSource({ name: row.sourceName, branch: row.branch })}, container {row.container}
                </span>
              </li>
            ))}
          </ul>
          <p>
            <a href={packageHref(type, name, below)}>See all images and workloads</a>
          </p>
        </>
      )}
    </Await>
  );
}
