"""Every shape the database ever had: alembic's folder, found by its path in the package."""
