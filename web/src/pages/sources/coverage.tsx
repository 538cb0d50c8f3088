/** The evaluated part of a source in its last scan, and the steps to see more. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { Card, Facts } from "../../components/page";
import { format, plural } from "../../components/severity";
import { Await } from "../../components/states";
import { Command, Copy } from "../../components/text";

type SourceCoverage = Schemas["SourceCoverage"];
type Gap = SourceCoverage["gaps"][number];

const SHOWN = 5;

export function Coverage({ source }: { source: number }) {
  const coverage = useQuery({ queryKey: ["coverage", source], queryFn: () => load(client.GET("/api/v1/sources/{source}/coverage", { params: { path: { source } } })) });
  return (
    <Card title="Coverage of the last scan">
      <Await query={coverage} lines={4}>
        {(data) => (data ? <Known coverage={data} source={source} /> : <p>It is not stored what the last scan evaluated. The next one shows it.</p>)}
      </Await>
    </Card>
  );
}

function Known({ coverage, source }: { coverage: SourceCoverage; source: number }) {
  const unread = coverage.gaps.filter((gap) => !gap.definition);
  const controls = coverage.gaps.filter((gap) => gap.definition);
  return (
    <>
      <Facts
        facts={[
          ["Controls", coverage.definitions ? plural(coverage.definitions, "control") : "none: it assessed images only"],
          ["Namespaces", coverage.includeNamespaces.join(", ") || (coverage.excludeNamespaces.length > 0 && `all but ${coverage.excludeNamespaces.join(", ")}`)],
          ["Selection", coverage.isPartial && "a part of the source, such as changed files: what it left out stays as it was"],
          ["Kubekeep", coverage.kubekeep],
          ["Kubernetes", coverage.kubernetes],
        ]}
      />
      {coverage.gapCount === 0 && <p>It read and evaluated everything that it was to look at.</p>}
      <Gaps title="Not read" gaps={unread} source={source} />
      {coverage.kubernetes && unread.some((gap) => gap.hides && gap.nextStep) && (
        <>
          <p>This prints the ClusterRole that a scan requires, and the permissions that are missing:</p>
          <Command text="kubekeep scan --dry-run" />
        </>
      )}
      <Gaps title="Controls that were not evaluated" gaps={controls} source={source} />
      {coverage.gapCount > coverage.gaps.length && <p className="kk-soft">The first {format(coverage.gaps.length)} of {format(coverage.gapCount)} gaps are shown.</p>}
    </>
  );
}

function Gaps({ title, gaps, source }: { title: string; gaps: Gap[]; source: number }) {
  if (!gaps.length) return null;
  const list = (part: Gap[]) => (
    <ul className="kk-evidence">
      {part.map((gap, index) => (
        <li key={index}>
          <GapLine gap={gap} source={source} />
        </li>
      ))}
    </ul>
  );
  return (
    <section className="kk-section">
      <h3 className="pf-v6-c-title pf-m-md">{title}</h3>
      {list(gaps.slice(0, SHOWN))}
      {gaps.length > SHOWN && (
        <details>
          <summary>{format(gaps.length - SHOWN)} more</summary>
          {list(gaps.slice(SHOWN))}
        </details>
      )}
    </section>
  );
}

/** What was not seen, what this hides, and the next step. */
function GapLine({ gap, source }: { gap: Gap; source: number }) {
  return (
    <>
      {gap.definition && <span className="kk-id">{gap.definition.split("/").at(-1)} </span>}
      {gap.message}
      {gap.location && <span className="kk-line"><code>{gap.location}</code></span>}
      {gap.hides && (
        <span className="kk-soft kk-line">
          It hides {gap.hides}
          {gap.unknown > 0 && (
            <>
              , with <a href={`/findings?source=${source}&state=unknown`}>{plural(gap.unknown, "finding")} of earlier scans</a>
            </>
          )}
          .
        </span>
      )}
      {gap.nextStep && (
        <span className="kk-line">
          Next step: <code>{gap.nextStep}</code> <Copy text={gap.nextStep} />
        </span>
      )}
    </>
  );
}
