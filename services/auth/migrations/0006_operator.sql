-- Who operates the platform is everybody's to look up and the platform's to write: in a client's transaction, and in one
-- without a client, an injected statement makes no operator, changes none and removes none.
ALTER TABLE operator ENABLE ROW LEVEL SECURITY;
ALTER TABLE operator FORCE ROW LEVEL SECURITY;
CREATE POLICY anyone_looks_up ON operator FOR SELECT TO auth_request USING (true);
CREATE POLICY platform_registers ON operator FOR INSERT TO auth_request
    WITH CHECK ((SELECT guard.client_id()) = '00000000-0000-0000-0000-000000000000');
CREATE POLICY platform_changes ON operator FOR UPDATE TO auth_request
    USING ((SELECT guard.client_id()) = '00000000-0000-0000-0000-000000000000')
    WITH CHECK ((SELECT guard.client_id()) = '00000000-0000-0000-0000-000000000000');
CREATE POLICY platform_removes ON operator FOR DELETE TO auth_request
    USING ((SELECT guard.client_id()) = '00000000-0000-0000-0000-000000000000');
