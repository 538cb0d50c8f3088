/** The open finding beside the list. */
import { useQuery } from "@tanstack/react-query";
import { Explanation } from "../../components/finding";
import { Facts } from "../../components/page";
import { Panel } from "../../components/panel";
import { describeExposure, Severity } from "../../components/severity";
import { Await, Empty } from "../../components/states";
import { Due, Time } from "../../components/time";
import { nameSource } from "../../sources";
import { nameOf, reachOf } from "../workload/entry";
import { DecideFinding } from "../workload/decide";
import { subjectQuery } from "../workload/query";

/** open: source, subject and fingerprint, with points between them. */
export function FindingPanel({ open, onClose }: { open: string; onClose: () => void }) {
  const [source = "", subject = "", fingerprint = ""] = open.split(".");
  const page = useQuery(subjectQuery(Number(source), subject));
  const finding = page.data?.findings.find((each) => each.detail?.fingerprint === fingerprint);
  return (
    <Panel title={finding?.definition.title ?? "Finding"} rowKey={open} onClose={onClose}>
      <Await query={page}>
        {(data) =>
          finding ? (
            <>
              <Facts
                facts={[
                  ["Priority", <Severity key="priority" level={finding.priority} />],
                  ["Severity of the control", finding.definition.severity],
                  ["Control", finding.definition.id],
                  ["Workload", <a key="workload" href={`/workloads/${source}/${subject}`}>{nameOf(data.entry)}</a>],
                  ["Source", <a key="source" href={`/sources/${source}`}>{nameSource({ name: data.sourceName, branch: data.branch })}</a>],
                  ["Why it matters", describeExposure(reachOf(data.entry)).join(" · ")],
                  ["Open since", <Time key="opened" value={finding.opened} />],
                  ["Due", finding.due && <Due key="due" value={finding.due} />],
                  ["Not seen since", finding.unknownSince && <Time key="unknown" value={finding.unknownSince} />],
                ]}
              />
              <DecideFinding page={data} finding={finding} />
              <h3 className="pf-v6-c-title pf-m-md">What to change</h3>
              <Explanation finding={finding} />
            </>
          ) : (
            <Empty title="This finding is closed">
              <p>
                <a href={`/workloads/${source}/${subject}`}>See the history of the workload</a>
              </p>
            </Empty>
          )
        }
      </Await>
    </Panel>
  );
}
