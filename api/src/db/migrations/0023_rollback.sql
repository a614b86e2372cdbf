-- Takes the tables of 0023 back: every counter is forgotten, and accounts with a second factor log in with the password alone.
DROP INDEX auth.users_extended_hash_cost_idx;
DROP TABLE latchkey.backup_code, latchkey.totp_factor, latchkey.attempt_budget;
