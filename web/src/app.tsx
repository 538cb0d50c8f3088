/** Routes. Pages are loaded when they are opened; without a session there is only the page to sign in. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, type MouseEvent } from "react";
import { Route, Switch, useLocation } from "wouter";
import { Empty, Failure, Loading } from "./components/states";
import { Page } from "./components/page";
import { loadIdentity, type Identity, type Session } from "./identity";
import { Overview } from "./pages/overview/overview";
import { Shell } from "./shell/shell";
import { readPath } from "./url";

const SignIn = lazy(() => import("./pages/sign-in"));
const Device = lazy(() => import("./pages/device"));
const ThisWeek = lazy(() => import("./pages/this-week/this-week"));
const Findings = lazy(() => import("./pages/findings/findings"));
const Workload = lazy(() => import("./pages/workload/workload"));
const Images = lazy(() => import("./pages/images/images"));
const ImageDetails = lazy(() => import("./pages/images/image"));
const Vulnerabilities = lazy(() => import("./pages/vulnerabilities/vulnerabilities"));
const Vulnerability = lazy(() => import("./pages/vulnerabilities/vulnerability"));
const Packages = lazy(() => import("./pages/packages/packages"));
const Package = lazy(() => import("./pages/packages/package"));
const Frameworks = lazy(() => import("./pages/frameworks/frameworks"));
const FrameworkDetails = lazy(() => import("./pages/frameworks/framework"));
const Identities = lazy(() => import("./pages/identities/identities"));
const WhoCan = lazy(() => import("./pages/identities/who-can"));
const Decisions = lazy(() => import("./pages/decisions/decisions"));
const Sources = lazy(() => import("./pages/sources/sources"));
const Source = lazy(() => import("./pages/sources/source"));
const Compare = lazy(() => import("./pages/compare/compare"));
const Settings = lazy(() => import("./pages/settings/settings"));

/** Follow links within the application without loading the page again. */
function useLinks(): (event: MouseEvent) => void {
  const [, navigate] = useLocation();
  return (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname.startsWith("/api/") || (url.hash && url.pathname === location.pathname)) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
  };
}

export function App() {
  const follow = useLinks();
  return (
    <div className="kk-app" onClick={follow}>
      <Gate />
    </div>
  );
}

function Gate() {
  const identity = useQuery<Session>({ queryKey: ["identity"], queryFn: loadIdentity, staleTime: Infinity });
  const [path] = useLocation();
  if (identity.error)
    return (
      <main className="kk-alone">
        <Failure error={identity.error} retry={() => void identity.refetch()} />
      </main>
    );
  if (identity.data === undefined) return <Loading />;
  if (identity.data === null || identity.data === "ended" || path === "/sign-in")
    return (
      <Suspense fallback={<Loading />}>
        <SignIn isEnded={identity.data === "ended"} />
      </Suspense>
    );
  return (
    <Shell identity={identity.data}>
      <Suspense fallback={<Loading />}>
        <Pages identity={identity.data} />
      </Suspense>
    </Shell>
  );
}

function Pages({ identity }: { identity: Identity }) {
  if (identity.role === null || identity.role === "agent")
    return (
      <Page title="No rights">
        <Empty title={`${identity.name} may not see results`}>
          <p>An administrator can give you a role under Settings, Users.</p>
        </Empty>
      </Page>
    );
  return (
    <Switch>
      <Route path="/" component={Overview} />
      <Route path="/this-week" component={ThisWeek} />
      <Route path="/findings" component={Findings} />
      <Route path="/workloads/:source/:subject">{({ source, subject }) => <Workload source={Number(source)} subject={subject} />}</Route>
      <Route path="/images" component={Images} />
      <Route path="/images/:digest">{({ digest }) => <ImageDetails digest={digest} />}</Route>
      <Route path="/vulnerabilities" component={Vulnerabilities} />
      <Route path="/vulnerabilities/:id">{() => <Vulnerability id={readPath(location.pathname, 1)} />}</Route>
      <Route path="/packages" component={Packages} />
      <Route path="/packages/:type/*?">{({ type }) => <Package type={type} name={readPath(location.pathname, 2)} />}</Route>
      <Route path="/frameworks" component={Frameworks} />
      <Route path="/frameworks/:id">{() => <FrameworkDetails id={readPath(location.pathname, 1)} />}</Route>
      <Route path="/identities" component={Identities} />
      <Route path="/identities/who-can" component={WhoCan} />
      <Route path="/decisions" component={Decisions} />
      <Route path="/sources" component={Sources} />
      <Route path="/sources/:id">{({ id }) => <Source id={Number(id)} identity={identity} />}</Route>
      <Route path="/compare" component={Compare} />
      <Route path="/settings/*?">{() => <Settings identity={identity} />}</Route>
      <Route path="/device" component={Device} />
      <Route>
        <Page title="There is no such page">
          <Empty title="Nothing is at this address">
            <p>
              <a href="/">Go to the overview</a>
            </p>
          </Empty>
        </Page>
      </Route>
    </Switch>
  );
}
