/** The frame of a page: title, one sentence with the answer, then the content. */
import { useEffect, type ReactNode } from "react";
import { Wrapped } from "./text";

interface Properties {
  title: string;
  /** The answer in a sentence. */
  summary?: ReactNode;
  /** Links to the pages above this one. */
  trail?: { name: string; href: string }[];
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, summary, trail = [], actions, children }: Properties) {
  useEffect(() => {
    document.title = `${title} - Kubekeep`;
  }, [title]);
  return (
    <section className="pf-v6-c-page__main-section">
      <div className="pf-v6-c-page__main-body">
        {trail.length > 0 && (
          <nav className="pf-v6-c-breadcrumb" aria-label="Breadcrumb">
            <ol className="pf-v6-c-breadcrumb__list">
              {trail.map((step) => (
                <li key={step.href} className="pf-v6-c-breadcrumb__item">
                  {step !== trail[0] && (
                    <span className="pf-v6-c-breadcrumb__item-divider" aria-hidden="true">
                      ›
                    </span>
                  )}
                  <a className="pf-v6-c-breadcrumb__link" href={step.href}>
                    {step.name}
                  </a>
                </li>
              ))}
            </ol>
          </nav>
        )}
        <header className="kk-page-header">
          <div>
            <h1 className="pf-v6-c-title pf-m-2xl">
              <Wrapped text={title} />
            </h1>
            {summary && <p className="kk-summary">{summary}</p>}
          </div>
          {actions}
        </header>
        {children}
      </div>
    </section>
  );
}

export function Card({ title, children, id }: { title: ReactNode; children: ReactNode; id?: string }) {
  return (
    <section className="pf-v6-c-card" id={id}>
      <h2 className="pf-v6-c-card__title">
        <span className="pf-v6-c-card__title-text">{title}</span>
      </h2>
      <div className="pf-v6-c-card__body">{children}</div>
    </section>
  );
}

/** Names and values. Values without content are left out. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="pf-v6-c-description-list pf-m-horizontal pf-m-compact kk-facts">
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name} className="pf-v6-c-description-list__group">
            <dt className="pf-v6-c-description-list__term">
              <span className="pf-v6-c-description-list__text">{name}</span>
            </dt>
            <dd className="pf-v6-c-description-list__description">
              <div className="pf-v6-c-description-list__text">{value}</div>
            </dd>
          </div>
        ))}
    </dl>
  );
}
