"""Jira: one issue for a problem, found again by a label: created, commented when it repeats, and closed when it is fixed."""

from __future__ import annotations

import base64
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from kubekeep_server.notifications.destination import Destination, OptionalText, Secret, Text, Url
from kubekeep_server.notifications.errors import DeliveryError
from kubekeep_server.notifications.messages import Message, write_plain
from kubekeep_server.notifications.network import Network

_LONGEST_SUMMARY: Final = 250
_LONGEST_TEXT: Final = 30_000
_DONE: Final = "done"


class Jira(Destination, frozen=True, kw_only=True):
    """A project of Jira Cloud, or of Jira Data Center (REST API v2).

    user: mail address of the account; empty for a personal access token. token: of the account. project: its key. transition: name
    of the one that closes; empty for the first one to a status of the category Done.
    """

    secret_names: ClassVar[frozenset[str]] = frozenset({"token"})
    url: Url
    user: OptionalText = ""
    token: Secret
    project: Text
    issue_type: Text = "Task"
    transition: OptionalText = ""

    def check(self) -> None:
        """Raise ValueError for settings that cannot be used."""
        super().check()
        if not self.project.isascii() or not self.project.replace("_", "").isalnum():
            raise ValueError("project: a key has letters, digits and underscores only")

    def render(self, message: Message) -> str:
        """Return the fields of a new issue."""
        return msgspec.json.encode(self._build_issue(message)).decode()

    async def send(self, message: Message, network: Network) -> None:
        """Create, comment or close the issue. Raises DeliveryError."""
        if message.is_fix:
            for key in message.resolved:
                if (issue := await self._find(key, network)) is not None:
                    await self._comment(issue, message, network)
                    await self._close(issue, network)
            return
        issue = await self._find(message.key, network)
        if issue is None:
            await self._request("POST", "issue", network, self._build_issue(message))
        else:
            await self._comment(issue, message, network)

    async def _find(self, key: str, network: Network) -> str | None:
        """Return the key of the open issue with the label of a problem."""
        query = (
            f'project = "{self.project}" AND labels = "{_label(key)}" AND statusCategory != Done ORDER BY created DESC'
        )
        path = f"search/jql?jql={quote(query)}&maxResults=1&fields=labels"
        answer = await network.request(
            "GET", f"{self.url.rstrip('/')}/rest/api/2/{path}", headers=self._headers(), expected=frozenset({404, 410})
        )
        if answer.status in {404, 410}:
            # Jira Data Center has the former path only.
            content = await self._request("GET", path.replace("search/jql", "search", 1), network)
        else:
            content = answer.decode()
        issues = content.get("issues") if isinstance(content, dict) else None
        return str(issues[0]["key"]) if issues else None

    async def _comment(self, issue: str, message: Message, network: Network) -> None:
        """Add a comment, if a former attempt has not added it: the property of a comment would need another permission."""
        path = f"issue/{quote(issue, safe='')}/comment"
        content = await self._request("GET", f"{path}?orderBy=-created&maxResults=20", network)
        mark = f"Message {message.id}"
        comments = content.get("comments", []) if isinstance(content, dict) else []
        if not any(mark in str(comment.get("body", "")) for comment in comments):
            await self._request("POST", path, network, {"body": f"{_write_body(message)}\n{mark}"})

    async def _close(self, issue: str, network: Network) -> None:
        path = f"issue/{quote(issue, safe='')}/transitions"
        content = await self._request("GET", path, network)
        for transition in content.get("transitions", []) if isinstance(content, dict) else []:
            category = transition.get("to", {}).get("statusCategory", {}).get("key", "")
            if transition.get("name") == self.transition if self.transition else category == _DONE:
                await self._request("POST", path, network, {"transition": {"id": transition["id"]}})
                return
        raise DeliveryError(f"{issue}: no transition {self.transition or 'to Done'} is possible", is_final=True)

    async def _request(self, method: str, path: str, network: Network, document: Any = None) -> Any:
        content = b"" if document is None else msgspec.json.encode(document)
        url = f"{self.url.rstrip('/')}/rest/api/2/{path}"
        answer = await network.request(method, url, content=content, headers=self._headers())
        return answer.decode() if answer.content else None

    def _headers(self) -> dict[str, str]:
        basic = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        return {
            "Authorization": f"Basic {basic}" if self.user else f"Bearer {self.token}",
            "Accept": "application/json",
        }

    def _build_issue(self, message: Message) -> dict[str, Any]:
        return {
            "fields": {
                "project": {"key": self.project},
                "issuetype": {"name": self.issue_type},
                "summary": message.title[:_LONGEST_SUMMARY],
                "description": f"{_write_body(message)}\nMessage {message.id}",
                "labels": ["kubekeep", _label(message.key)],
            }
        }


def _label(key: str) -> str:
    return f"kubekeep-{key}"


def _write_body(message: Message) -> str:
    """Return the text in a block without markup, and the link below it."""
    text = write_plain(message).replace("{noformat}", "{ noformat }")
    return f"{{noformat}}\n{text[:_LONGEST_TEXT]}{{noformat}}\n{message.url}"
