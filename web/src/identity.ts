/** The user who has signed in. */
import { useQueryClient } from "@tanstack/react-query";
import type { Identity, Session } from "./app";

/** Return the user of the session; null without one. The frame of the pages has loaded it. */
export function useIdentity(): Identity | null {
  const session = useQueryClient().getQueryData<Session>(["identity"]);
  return session && session !== "ended" ? session : null;
}

/** Return true for a user who may decide on findings and change notifications, in the scope of the role. */
export function mayManage(identity: Identity | null): boolean {
  return identity?.role === "administrator" || identity?.role === "manager";
}
