/** Service levels: the days in which findings are to be fixed, by priority, reach and environment. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { splitValues } from "../../components/form";
import { Card } from "../../components/page";
import { capitalize, LEVELS, plural, sum } from "../../components/severity";
import { Await, Failure } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";
import type { Identity } from "../../identity";

type Level = Schemas["ServiceLevelDocument"];
type Environment = Schemas["EnvironmentDocument"];
type Stored = Schemas["StoredServiceLevels"];

const NAMES = LEVELS.filter((level) => level !== "unknown");
/** Levels that many organisations begin with. */
const PROPOSAL: Level[] = [
  { level: "critical", days: 7, exposed: true, environment: "" },
  { level: "critical", days: 14, exposed: false, environment: "" },
  { level: "high", days: 30, exposed: true, environment: "" },
  { level: "high", days: 60, exposed: false, environment: "" },
  { level: "medium", days: 180, exposed: false, environment: "" },
];

export function ServiceLevels({ identity }: { identity: Identity }) {
  const stored = useQuery({ queryKey: ["service levels"], queryFn: () => load(client.GET("/api/v1/service-levels")) });
  return (
    <Await query={stored}>
      {(data) => (
        <>
          {identity.role === "administrator" ? <Editor key={data.changed ?? ""} stored={data} /> : <Shown stored={data} />}
          {data.changed && (
            <p className="kk-soft">
              Changed by {data.author} <Time value={data.changed} />
            </p>
          )}
        </>
      )}
    </Await>
  );
}

/** The levels, for those who cannot change them. */
function Shown({ stored }: { stored: Stored }) {
  return (
    <Card title="Service levels">
      {stored.levels?.length ? (
        <Table
          caption="Service levels"
          rows={(stored.levels ?? []).map((level, index) => ({ level, index }))}
          rowKey={(row) => row.index}
          columns={[
            { title: "Priority", cell: ({ level }) => capitalize(level.level) },
            { title: "Reach", cell: ({ level }) => (level.exposed ? "reachable from outside" : "any") },
            { title: "Environment", cell: ({ level }) => level.environment || "any" },
            { title: "Days", kind: "number", cell: ({ level }) => level.days },
          ]}
        />
      ) : (
        <p>There are none: nothing has a due date. An administrator can set them.</p>
      )}
    </Card>
  );
}

function Editor({ stored }: { stored: Stored }) {
  const queries = useQueryClient();
  const [levels, setLevels] = useState<Level[]>(() => (stored.levels ?? []).map((each) => ({ level: each.level, days: each.days, exposed: each.exposed ?? false, environment: each.environment ?? "" })));
  const [environments, setEnvironments] = useState<Environment[]>(() => (stored.environments ?? []).map((each) => ({ name: each.name, sources: [...each.sources] })));
  const body = { levels, environments };
  const preview = useMutation({ mutationFn: () => load(client.POST("/api/v1/service-levels/preview", { body })) });
  // Due dates are on many pages.
  const save = useMutation({ mutationFn: () => load(client.PUT("/api/v1/service-levels", { body })), onSuccess: () => queries.invalidateQueries() });
  const change = (index: number, values: Partial<Level>) => setLevels(levels.map((each, position) => (position === index ? { ...each, ...values } : each)));
  const changeEnvironment = (index: number, values: Partial<Environment>) => setEnvironments(environments.map((each, position) => (position === index ? { ...each, ...values } : each)));
  return (
    <form
      className="kk-stack"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Card title="Service levels">
        <p>The first level that fits a finding counts. The days are counted from the time at which it was opened.</p>
        {levels.length > 0 && (
          <Table
            caption="Service levels"
            rows={levels.map((level, index) => ({ level, index }))}
            rowKey={(row) => row.index}
            columns={[
              { title: "Priority", cell: ({ level, index }) => <Select label={`Priority of level ${index + 1}`} value={level.level} choices={NAMES.map((name) => [name, capitalize(name)])} onChange={(value) => change(index, { level: value })} /> },
              {
                title: "Reach",
                cell: ({ level, index }) => (
                  <Select
                    label={`Reach of level ${index + 1}`}
                    value={String(level.exposed ?? false)}
                    choices={[
                      ["false", "Any"],
                      ["true", "Reachable from outside"],
                    ]}
                    onChange={(value) => change(index, { exposed: value === "true" })}
                  />
                ),
              },
              {
                title: "Environment",
                cell: ({ level, index }) => <Select label={`Environment of level ${index + 1}`} value={level.environment ?? ""} choices={[["", "Any"], ...environments.map(({ name }): [string, string] => [name, name])]} onChange={(value) => change(index, { environment: value })} />,
              },
              {
                title: "Days",
                cell: ({ level, index }) => (
                  <span className="pf-v6-c-form-control">
                    <input type="number" aria-label={`Days of level ${index + 1}`} min={1} max={3650} required value={level.days || ""} onChange={(event) => change(index, { days: Number(event.target.value) })} />
                  </span>
                ),
              },
              { title: "Changes", cell: ({ index }) => <Remove label={`Remove level ${index + 1}`} onClick={() => setLevels(levels.filter((_, position) => position !== index))} /> },
            ]}
          />
        )}
        <p className="kk-actions">
          <Add label="Add a level" onClick={() => setLevels([...levels, { level: "high", days: 30, exposed: false, environment: "" }])} />
          {levels.length === 0 && <Add label="Begin with a proposal" onClick={() => setLevels(PROPOSAL)} />}
        </p>
      </Card>
      <Card title="Environments">
        <p>Sources by name, or by a pattern such as prod-*. The first environment that has a source counts.</p>
        {environments.length > 0 && (
          <Table
            caption="Environments"
            rows={environments.map((environment, index) => ({ environment, index }))}
            rowKey={(row) => row.index}
            columns={[
              {
                title: "Name",
                cell: ({ environment, index }) => (
                  <span className="pf-v6-c-form-control">
                    <input aria-label={`Name of environment ${index + 1}`} required maxLength={200} value={environment.name} onChange={(event) => changeEnvironment(index, { name: event.target.value })} />
                  </span>
                ),
              },
              {
                title: "Sources",
                kind: "main",
                cell: ({ environment, index }) => (
                  <span className="pf-v6-c-form-control">
                    <input aria-label={`Sources of environment ${index + 1}`} required placeholder="prod-*, payments" defaultValue={environment.sources.join(", ")} onChange={(event) => changeEnvironment(index, { sources: splitValues(event.target.value) })} />
                  </span>
                ),
              },
              { title: "Changes", cell: ({ index }) => <Remove label={`Remove environment ${index + 1}`} onClick={() => setEnvironments(environments.filter((_, position) => position !== index))} /> },
            ]}
          />
        )}
        <p className="kk-actions">
          <Add label="Add an environment" onClick={() => setEnvironments([...environments, { name: environments.length ? "" : "production", sources: [] }])} />
        </p>
      </Card>
      {(save.error ?? preview.error) && <Failure error={(save.error ?? preview.error) as Error} />}
      <p className="kk-actions">
        <button type="submit" className="pf-v6-c-button pf-m-primary" disabled={save.isPending}>
          Save
        </button>
        <button type="button" className="pf-v6-c-button pf-m-secondary" disabled={preview.isPending} onClick={() => preview.mutate()}>
          Preview
        </button>
        <span role="status">
          {preview.data && describePreview(preview.data)}
          {save.isSuccess && "Saved"}
        </span>
      </p>
    </form>
  );
}

function describePreview({ overdue, week, isComplete }: Schemas["DueCounts"]): string {
  const more = isComplete ? "" : " at least";
  return `With these levels,${more} ${plural(sum(overdue), "finding is", "findings are")} overdue, and ${sum(week)} due within a week.`;
}

function Select({ label, value, choices, onChange }: { label: string; value: string; choices: [string, string][]; onChange: (value: string) => void }) {
  return (
    <span className="pf-v6-c-form-control">
      <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
        {choices.map(([choice, name]) => (
          <option key={choice} value={choice}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}

function Add({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="pf-v6-c-button pf-m-small pf-m-secondary" onClick={onClick}>
      {label}
    </button>
  );
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="pf-v6-c-button pf-m-small pf-m-plain" aria-label={label} onClick={onClick}>
      ✕
    </button>
  );
}
