/** The frame of all pages: masthead with scope and search, navigation, and the place that scrolls. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { client, load } from "../api/client";
import { Dialog } from "../components/dialog";
import type { Identity } from "../identity";
import { KEYS, onKey } from "../keys";
import { query, useUrl } from "../url";
import { ScopeButton } from "./scope";
import { Search } from "./search";
import { isDark, toggleTheme } from "./theme";

const PAGES = [
  ["/", "Overview"],
  ["/this-week", "This week"],
  ["/findings", "Findings"],
  ["/images", "Images"],
  ["/vulnerabilities", "Vulnerabilities"],
  ["/packages", "Packages"],
  ["/frameworks", "Frameworks"],
  ["/identities", "Identities"],
  ["/decisions", "Decisions"],
  ["/sources", "Sources"],
  ["/settings", "Settings"],
] as const;

export function Shell({ identity, children }: { identity: Identity; children: ReactNode }) {
  const [path] = useLocation();
  const [isOpen, setOpen] = useState(false);
  const [dialog, setDialog] = useState<"search" | "keys" | null>(null);
  const [, setTheme] = useState(isDark());
  const main = useRef<HTMLElement>(null);
  const switchTheme = () => {
    toggleTheme();
    setTheme(isDark());
  };
  useEffect(() => {
    setOpen(false);
    main.current?.closest(".kk-scroller")?.scrollTo(0, 0);
  }, [path]);
  useEffect(() => {
    const ends = [onKey("search", () => setDialog("search")), onKey("?", () => setDialog("keys")), onKey("t", switchTheme)];
    return () => ends.forEach((end) => end());
  }, []);
  return (
    <div className="pf-v6-c-page kk-page">
      <a className="pf-v6-c-button pf-m-primary kk-skip" href="#main" onClick={() => main.current?.focus()}>
        Skip to content
      </a>
      <header className="pf-v6-c-masthead kk-masthead">
        <button type="button" className="pf-v6-c-button pf-m-plain kk-menu" aria-label="Navigation" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          ☰
        </button>
        <a className="kk-brand" href="/" aria-label="Kubekeep, overview">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>Kubekeep</span>
        </a>
        <ScopeButton />
        <button type="button" className="pf-v6-c-button pf-m-secondary kk-search-button" onClick={() => setDialog("search")}>
          <span className="kk-wide-only">Search</span>
          <span className="kk-narrow-only" aria-hidden="true">
            ⌕
          </span>
          <span className="pf-v6-screen-reader kk-narrow-only">Search</span> <kbd className="kk-wide-only">Ctrl K</kbd>
        </button>
        <button type="button" className="pf-v6-c-button pf-m-plain" aria-label={isDark() ? "Light theme" : "Dark theme"} title={isDark() ? "Light theme" : "Dark theme"} onClick={switchTheme}>
          {isDark() ? "☀" : "☾"}
        </button>
        <UserMenu identity={identity} />
      </header>
      <div className={`pf-v6-c-page__sidebar kk-sidebar ${isOpen ? "kk-open" : ""}`}>
        <Navigation path={path} />
      </div>
      <div className="pf-v6-c-page__main-container kk-scroller">
        <main ref={main} id="main" tabIndex={-1} className="pf-v6-c-page__main">
          {children}
        </main>
      </div>
      {dialog === "search" && <Search onClose={() => setDialog(null)} />}
      {dialog === "keys" && <KeyHelp onClose={() => setDialog(null)} />}
    </div>
  );
}

function Navigation({ path }: { path: string }) {
  const url = useUrl();
  const scope = new URLSearchParams(url.list("source").map((source) => ["source", source]));
  return (
    <nav className="pf-v6-c-nav" aria-label="Pages">
      <ul className="pf-v6-c-nav__list" role="list">
        {PAGES.map(([href, name]) => {
          const isCurrent = href === "/" ? path === "/" : path === href || path.startsWith(`${href}/`) || (href === "/findings" && path.startsWith("/workloads")) || (href === "/sources" && path === "/compare");
          return (
            <li key={href} className="pf-v6-c-nav__item">
              <a className={`pf-v6-c-nav__link ${isCurrent ? "pf-m-current" : ""}`} aria-current={isCurrent ? "page" : undefined} href={href + query(scope)}>
                <span className="pf-v6-c-nav__link-text">{name}</span>
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

function UserMenu({ identity }: { identity: Identity }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const signOut = async () => {
    await load(client.DELETE("/api/v1/session"));
    queries.clear();
    queries.setQueryData(["identity"], null);
    navigate("/sign-in");
  };
  return (
    <details className="kk-user">
      <summary>{identity.name}</summary>
      <div className="kk-user-menu">
        <p className="kk-soft">{identity.role ?? "no role"}</p>
        <a href="/settings/account">Your account</a>
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void signOut()}>
          Sign out
        </button>
      </div>
    </details>
  );
}

function KeyHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="kk-keys">
        {KEYS.map(([key, effect]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
