/** The user who has signed in. */
import { useQueryClient } from "@tanstack/react-query";
import { ApiError, client, load, setCsrfToken, type Schemas } from "./api/client";

export type Identity = Schemas["IdentityDocument"];
/** The user who has signed in; "ended" after the end of the session, null without one. */
export type Session = Identity | "ended" | null;

/** Return the user of the session of this browser; null without one. */
export async function loadIdentity(): Promise<Identity | null> {
  try {
    const identity = await load(client.GET("/api/v1/identity"));
    setCsrfToken(identity.csrfToken ?? "");
    return identity;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Return the user of the session; null without one. The frame of the pages has loaded it. */
export function useIdentity(): Identity | null {
  const session = useQueryClient().getQueryData<Session>(["identity"]);
  return session && session !== "ended" ? session : null;
}

/** Return true for a user who may decide on findings and change notifications, in the scope of the role. */
export function mayManage(identity: Identity | null): boolean {
  return identity?.role === "administrator" || identity?.role === "manager";
}
