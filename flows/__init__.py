"""WHEN AND HOW OFTEN: Prefect flows over the run. Prefect is imported only here."""
