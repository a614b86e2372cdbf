-- Takes the function of 0029 back. A server of this release cannot answer `me` then; the release before does not use it.
DROP FUNCTION latchkey.profile_of_session(uuid, uuid, uuid);
