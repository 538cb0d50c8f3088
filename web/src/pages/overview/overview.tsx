/** The fleet in one screen: what is worst, what changed, and what is not covered. */
import { useQuery } from "@tanstack/react-query";
import { client, load, type Schemas } from "../../api/client";
import { AddSource } from "../../components/add-source";
import { Changes } from "../../components/changes";
import { DueSentence } from "../../components/due";
import { Card, Page } from "../../components/page";
import { plural, SeverityCounts, sum, type Counts } from "../../components/severity";
import { Await } from "../../components/states";
import { useUrl } from "../../url";
import { Coverage } from "./coverage";
import { FixFirst } from "./fix-first";

type Totals = Schemas["Totals"];

export function Overview() {
  const url = useUrl();
  const source = url.list("source").map(Number);
  const totals = useQuery({ queryKey: ["totals", source], queryFn: () => load(client.GET("/api/v1/totals", { params: { query: { source } } })) });
  return (
    <Page title="Overview" summary={totals.data && summarize(totals.data)}>
      <Await query={totals}>
        {(data) =>
          data.sources === 0 ? (
            <AddSource />
          ) : (
            <div className="kk-overview">
              <div className="kk-stack">
                <FixFirst source={source} />
                <Coverage source={source} />
              </div>
              <div className="kk-stack">
                <Open totals={data} source={source} />
                <Changes source={source} open={data.findings} />
              </div>
            </div>
          )
        }
      </Await>
    </Page>
  );
}

function summarize(totals: Totals): string {
  if (totals.sources === 0) return "Nothing was submitted yet.";
  const where = `${plural(totals.subjects, "workload or other subject", "workloads and other subjects")} of ${plural(totals.sources, "source")}`;
  const exposed = describeUrgent(totals.exposedFindings, totals.exposedVulnerabilities);
  if (exposed) return `${exposed}, critical or high, can be reached from outside. Assessed: ${where}.`;
  const all = describeUrgent(totals.findings, totals.vulnerabilities);
  return all ? `${all}, critical or high, in ${where}; none is known to be reachable from outside.` : `No critical or high finding in ${where}.`;
}

/** Return the numbers of critical and high problems in words; empty without any. */
function describeUrgent(findings: Counts, vulnerabilities: Counts): string {
  const urgent = (counts: Counts) => (counts["critical"] ?? 0) + (counts["high"] ?? 0);
  const parts = [
    urgent(findings) ? plural(urgent(findings), "finding") : "",
    urgent(vulnerabilities) ? `${plural(urgent(vulnerabilities), "vulnerability", "vulnerabilities")} in images` : "",
  ];
  return parts.filter(Boolean).join(" and ");
}

function Open({ totals, source }: { totals: Totals; source: number[] }) {
  const url = useUrl();
  const link = (page: string, values: Record<string, string>) => page + url.with({ days: "", ...values });
  return (
    <Card title="Open now">
      <dl className="kk-numbers">
        <Numbers name={plural(sum(totals.findings), "finding")} counts={totals.findings} link={(values) => link("/findings", values)} />
        <Numbers name={`${plural(sum(totals.exposedFindings), "finding")} reachable from outside`} counts={totals.exposedFindings} link={(values) => link("/findings", { ...values, exposed: "true" })} />
        <Numbers
          name={`${plural(sum(totals.vulnerabilities), "problem")} in ${plural(totals.images, "image")}`}
          counts={totals.images ? totals.vulnerabilities : undefined}
          link={(values) => link("/vulnerabilities", values)}
        />
        <Numbers
          name={`${plural(sum(totals.exposedVulnerabilities), "problem")} reachable from outside`}
          counts={totals.exposedVulnerabilities}
          link={(values) => link("/vulnerabilities", { ...values, exposed: "true" })}
        />
      </dl>
      <DueSentence source={source} />
    </Card>
  );
}

/** A number by level of priority; each part is a link to its rows. counts: undefined if nothing was assessed. */
function Numbers({ name, counts, link }: { name: string; counts?: Counts; link: (values: Record<string, string>) => string }) {
  return (
    <div>
      <dt>
        <a href={link({})}>{name}</a>
      </dt>
      <dd>{counts ? <SeverityCounts counts={counts} href={(level) => link({ priority: level })} /> : <span className="kk-soft">no image was assessed</span>}</dd>
    </div>
  );
}
