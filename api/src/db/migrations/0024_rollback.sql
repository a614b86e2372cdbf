-- Takes the keys of 0024 back: access tokens that they signed are refused from then on, and their clients refresh. Sessions stay as they are.
DROP TRIGGER account_off ON auth.users_extended;
DROP TRIGGER session_ended ON auth.user_sessions;
DROP FUNCTION latchkey.tell_account_off();
DROP FUNCTION latchkey.tell_session_ended();
DROP TABLE latchkey.signing_key;
