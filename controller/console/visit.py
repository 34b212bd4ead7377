"""Who visits a page: a person with a session. What a page does is asked of them by form."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from controller.authority.sessions import Session
from controller.service.auth import Viewer, session_of
from controller.service.context import Here


async def visitor(request: Request, here: Here, _: Viewer) -> Session:
    """The session of a page; who has none is sent to the log-in, and forged forms are refused."""
    found = session_of(request, here)
    if found is None:
        raise HTTPException(403, "pages are for people: log in with a browser")
    return found


Visitor = Annotated[Session, Depends(visitor)]
