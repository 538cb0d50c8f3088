/** Search from every page: sources, workloads, vulnerabilities, controls, packages and saved views by a part of their names. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, type KeyboardEvent, type ReactNode } from "react";
import { useLocation } from "wouter";
import { client, load, type Schemas } from "../api/client";
import { Dialog } from "../components/dialog";
import { Severity } from "../components/severity";
import { useViews, type View } from "../components/views";
import { nameSource, nameSubject } from "../sources";

type Result = Schemas["SearchResult"];
type Definition = Schemas["DefinitionMatch"];

interface Match {
  group: string;
  href: string;
  content: ReactNode;
}

const PAUSE = 150;
const SHORTEST = 2;
const MOST_VIEWS = 5;

export function Search({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [searched, setSearched] = useState("");
  const [active, setActive] = useState(0);
  const [, navigate] = useLocation();
  useEffect(() => {
    const timer = setTimeout(() => setSearched(text.trim()), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  const result = useQuery({
    queryKey: ["search", searched],
    queryFn: () => load(client.GET("/api/v1/search", { params: { query: { text: searched } } })),
    enabled: searched.length >= SHORTEST,
    placeholderData: (before) => before,
  });
  const views = useViews();
  const named = (views.data ?? []).filter((view) => view.name.toLowerCase().includes(searched.toLowerCase())).slice(0, MOST_VIEWS);
  const matches = result.data && searched.length >= SHORTEST ? [...named.map(describeView), ...listMatches(result.data, searched)] : [];
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && matches.length) {
      event.preventDefault();
      setActive((active + step + matches.length) % matches.length);
    } else if (event.key === "Enter" && matches[active]) {
      event.preventDefault();
      navigate(matches[active].href);
      onClose();
    }
  };
  return (
    <Dialog title="Search" onClose={onClose}>
      <span className="pf-v6-c-form-control">
        <input
          type="search"
          role="combobox"
          autoFocus
          aria-label="Name, CVE, control or package"
          aria-expanded={matches.length > 0}
          aria-controls="matches"
          aria-activedescendant={matches.length ? `match-${active}` : undefined}
          placeholder="CVE-2021-44228, log4j-core, payments/api, C-0017"
          value={text}
          onKeyDown={move}
          onChange={(event) => {
            setText(event.target.value);
            setActive(0);
          }}
        />
      </span>
      <ul id="matches" role="listbox" aria-label="Matches" className="kk-matches">
        {matches.map((match, index) => (
          <li key={match.href + index} id={`match-${index}`} role="option" aria-selected={index === active} className={index === active ? "kk-active" : ""}>
            <a href={match.href} tabIndex={-1} onClick={() => setTimeout(onClose)}>
              <span className="kk-soft">{match.group}</span> {match.content}
            </a>
          </li>
        ))}
      </ul>
      <p role="status" className="kk-soft">
        {searched.length < SHORTEST ? "Write at least two characters." : result.error ? result.error.message : matches.length === 0 && !result.isFetching ? "Nothing that you may see has this name." : ""}
      </p>
    </Dialog>
  );
}

/** Return the matches: definitions with the text in their identifier, then what has it in its name, then in its title. */
function listMatches(result: Result, text: string): Match[] {
  const isNamed = (row: Definition) => row.id.toLowerCase().includes(text.toLowerCase());
  return [
    ...result.definitions.filter(isNamed).map(describeDefinition),
    ...result.subjects.map((row) => ({
      group: row.kind,
      href: `/workloads/${row.source}/${row.subject}`,
      content: (
        <>
          <strong>{nameSubject(row)}</strong> {nameSource({ name: row.sourceName, branch: row.branch })}
        </>
      ),
    })),
    ...result.packages.map((row) => ({
      group: "Package",
      href: `/packages/${row.type}/${encodeURIComponent(row.name)}`,
      content: (
        <>
          <strong>{row.name}</strong> {row.type}
        </>
      ),
    })),
    ...result.sources.map((row) => ({
      group: "Source",
      href: `/sources/${row.id}`,
      content: <strong>{nameSource(row)}</strong>,
    })),
    ...result.definitions.filter((row) => !isNamed(row)).map(describeDefinition),
  ];
}

function describeView(view: View): Match {
  return { group: "View", href: view.address, content: <strong>{view.name}</strong> };
}

function describeDefinition(row: Definition): Match {
  const isVulnerability = row.kind === "vulnerability";
  return {
    group: isVulnerability ? "Vulnerability" : "Control",
    href: isVulnerability ? `/vulnerabilities/${encodeURIComponent(row.key)}` : `/findings?definition=${encodeURIComponent(row.key)}`,
    content: (
      <>
        <strong>{row.id}</strong> {row.title} <Severity level={row.priority} />
      </>
    ),
  };
}
