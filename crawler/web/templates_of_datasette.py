"""Datasette's templates with what WCAG 2.2 asks for and they lack: a language, landmarks, names of fields, headings in
order; and with the nonce by which their scripts run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jinja2 import BaseLoader, Environment

NONCE_ATTRIBUTE = '<script nonce="{{ csp_nonce() }}"'

REPAIRS: Sequence[tuple[str, str, str]] = (
    ("base.html", "<html>", '<html lang="en">'),
    ("base.html", "</head>\n<body", "<meta name=\"color-scheme\" content=\"light dark\">\n</head>\n<body"),
    ("base.html", '<div class="not-footer">\n', '<a class="skip" href="#content">Skip to the content</a>\n'
     '<div class="not-footer">\n'),
    ("base.html", '<section class="content">', '<main class="content" id="content">'),
    ("base.html", "</section>\n</div>\n<footer", "</main>\n</div>\n<footer"),
    ("base.html", "<header><nav>", '<header><nav aria-label="Catalog">'),
    ("table.html", "<h3", "<h2"),
    ("table.html", "</h3>", "</h2>"),
    ("table.html", '<dl class="column-descriptions">', '<details class="column-descriptions">'
     "<summary>What the columns mean</summary><dl>"),
    ("table.html", "{% endfor %}\n</dl>", "{% endfor %}\n</dl></details>"),
    ("table.html", '<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
    ("table.html", '<select name="_filter_op', '<select aria-label="Comparison" name="_filter_op'),
    ("table.html", '<input type="text" name="_filter_value', '<input type="text" aria-label="Value" '
     'name="_filter_value'),
    ("table.html", '<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
    ("_table.html", '<div class="table-wrapper">', '<div class="table-wrapper" tabindex="0" role="region" '
     'aria-label="Rows">'),
    ("query.html", '<div class="table-wrapper">', '<div class="table-wrapper" tabindex="0" role="region" '
     'aria-label="Rows">'),
    ("row.html", "{{ table }}{% endblock %}", "{{ table }}: {{ ', '.join(primary_key_values) }}{% endblock %}"),
    ("query.html", "{% if query and query.sql %}: {{ query.sql }}{% endif %}{% endblock %}",
     "{% if metadata.title or query and query.sql %}: {{ metadata.title or query.sql | truncate(80, True) }}{% endif %}"
     "{% endblock %}"),
    ("query.html", "<h3", "<h2"),
    ("query.html", "</h3>", "</h2>"),
    ("query.html", '<textarea id="sql-editor"', '<textarea aria-label="SQL" id="sql-editor"'),
    ("database.html", "<h3>Custom SQL query</h3>", "<h2>Custom SQL query</h2>"),
    ("database.html", '<textarea id="sql-editor"', '<textarea aria-label="SQL" id="sql-editor"'),
    ("_codemirror_foot.html", 'editor.setOption("extraKeys"', 'editor.getInputField().setAttribute("aria-label", '
     '"SQL");\n        editor.setOption("extraKeys"'),
)  # fmt: skip
"""(template, text of Datasette 0.65, what stands in its place)."""


class RepairedTemplates(BaseLoader):
    """Templates of another loader, repaired. Only their scripts get the nonce: one that came with data lacks it."""

    def __init__(self, loader: BaseLoader) -> None:
        self._loader = loader

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, is_current = self._loader.get_source(environment, template)
        for of, old, new in REPAIRS:
            if of == template:
                source = source.replace(old, new)
        return source.replace("<script", NONCE_ATTRIBUTE), name, is_current

    def list_templates(self) -> list[str]:
        return self._loader.list_templates()
