"""Requests of attackers: each is refused or shown harmlessly, changes nothing else, and leaves no defect in the log. Both databases.

Cases of single operations are beside their tests: bodies and cut connections (`test_scans_api`), documents of other tools
(`test_foreign_results_api`, `foreign/test_hostile`, `test_kubescape_api`), sign-in and roles (`test_identity_api`, `test_oidc_api`,
`test_oidc_answers`), decisions (`test_decisions_api`), views (`test_saved_views`), destinations and rules (`test_notification_addresses`,
`test_notifications_api`), files (`test_page_files`), texts in a browser (`test_pages`), generated requests (`test_openapi`).
"""
