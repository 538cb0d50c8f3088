/** A requirement beside the list: its controls, its states in sources over the period, decisions on it, and gaps. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Panel } from "../../components/panel";
import { plural, Severity } from "../../components/severity";
import { Await } from "../../components/states";
import { Prose } from "../../components/text";
import { Time } from "../../components/time";
import { nameSource } from "../../sources";
import { useUrl } from "../../url";
import { describeScope, KINDS, STATES as DECISION_STATES } from "../decisions/words";
import { readPeriod, StateLabel } from "./states";

type Requirement = Schemas["RequirementPage"];
type Source = Schemas["RequirementSource"];

const SHOWN = 6;

export function RequirementPanel({ framework, requirement, onClose }: { framework: string; requirement: string; onClose: () => void }) {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const period = readPeriod(url);
  const page = useQuery({
    queryKey: ["requirement", framework, requirement, source, period],
    queryFn: () => load(client.GET("/api/v1/compliance/frameworks/{key}/requirements/{requirement}", { params: { path: { key: framework, requirement }, query: { source, ...period } } })),
  });
  return (
    <Panel title={page.data ? `${page.data.id} ${page.data.title}` : requirement} rowKey={requirement} onClose={onClose}>
      <Await query={page}>{(data) => <Content data={data} />}</Await>
    </Panel>
  );
}

function isEvaluated(source: Source): boolean {
  return source.state !== "not-evaluated";
}

function Content({ data }: { data: Requirement }) {
  const others = data.sources.filter((source) => !isEvaluated(source));
  return (
    <>
      <h3 className="pf-v6-c-title pf-m-md">Controls</h3>
      {data.controls.length === 0 && <p className="kk-soft">No control evaluates this requirement: review it by hand.</p>}
      <ul className="kk-plain-list">
        {data.controls.map((control) => (
          <Control key={control.key} control={control} />
        ))}
      </ul>
      <h3 className="pf-v6-c-title pf-m-md">In the period</h3>
      {data.sources.length === 0 && <p className="kk-soft">No whole source is in the scope.</p>}
      {data.sources.filter(isEvaluated).map((source) => (
        <InSource key={source.id} source={source} />
      ))}
      {others.length > 0 && (
        <details className="kk-more">
          <summary>{plural(others.length, "source")} without an evaluation</summary>
          {others.map((source) => (
            <InSource key={source.id} source={source} />
          ))}
        </details>
      )}
      {data.cursor && <p className="kk-soft">The first {data.sources.length} sources are shown. Choose others with the scope; the evidence has all of them.</p>}
      <h3 className="pf-v6-c-title pf-m-md">Decisions</h3>
      {data.decisions.length === 0 && <p className="kk-soft">None.</p>}
      <ul className="kk-plain-list">
        {data.decisions.map((decision) => (
          <li key={decision.id}>
            <a href={`/decisions?open=${decision.id}`}>
              {KINDS[decision.kind]}: {decision.reason}
            </a>
            <span className="kk-soft kk-line">
              {DECISION_STATES[decision.state]}, by {decision.author}
              {decision.approver && `, answered by ${decision.approver}`}, until <Time value={decision.expires} />. {describeScope(decision.scope)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Control({ control }: { control: Schemas["RequirementControl"] }) {
  const url = useUrl();
  const findings = (state: string) => `/findings${url.with({ definition: control.key, state, open: "", since: "", until: "" })}`;
  return (
    <li>
      <span className="kk-id">{control.key}</span> {control.title} <Severity level={control.severity} />
      <span className="kk-line">
        {control.findings ? <a href={findings("")}>{plural(control.findings, "finding")}</a> : <span className="kk-soft">no open finding</span>}
        {" · "}
        <a href={findings("suppressed")}>Exceptions</a>
        {control.data && control.data !== "automated" && <span className="kk-soft"> · requires {control.data === "manual" ? "a review by hand" : control.data}</span>}
      </span>
      {control.remediation && (
        <div className="kk-soft kk-clamp">
          <Prose text={control.remediation} />
        </div>
      )}
    </li>
  );
}

function InSource({ source }: { source: Source }) {
  const latest = [...source.intervals].reverse();
  return (
    <section aria-label={nameSource(source)}>
      <p>
        <a href={`/sources/${source.id}`}>{nameSource(source)}</a> <StateLabel state={source.state} />
      </p>
      <ul className="kk-plain-list">
        {latest.length > 1 && latest.slice(0, SHOWN).map((interval) => (
          <li key={interval.since}>
            {interval.since.slice(0, 10)} to {interval.until.slice(0, 10)} <StateLabel state={interval.state} />
          </li>
        ))}
        {source.gaps.slice(0, SHOWN).map((gap) => (
          <li key={gap.message} className="kk-soft">
            Gap of the last scan: {gap.message}
            {gap.nextStep && (
              <>
                . Missing: <code>{gap.nextStep}</code>
              </>
            )}
          </li>
        ))}
      </ul>
      {latest.length > SHOWN && <p className="kk-soft">{plural(latest.length - SHOWN, "earlier state")} in the evidence.</p>}
    </section>
  );
}
