"""The promises of the README and the quick start that can be checked without a network."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
README, QUICKSTART = REPOSITORY / "README.md", REPOSITORY / "docs" / "quickstart.md"


def blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), flags=re.DOTALL)


def example() -> ast.Module:
    """All Python of the quick start, each example going on from those before."""
    assert len(blocks(QUICKSTART)) == 4
    return ast.parse("\n".join(blocks(QUICKSTART)))


def test_the_readme_shows_the_first_example_of_the_quick_start_in_one_screen():
    assert blocks(README) == blocks(QUICKSTART)[:1]
    assert len(README.read_text("utf-8").splitlines()) <= 80


def calls() -> list[ast.Call]:
    return [node for node in ast.walk(example()) if isinstance(node, ast.Call)]


def test_every_name_that_the_example_imports_exists():
    for node in example().body:
        if isinstance(node, ast.ImportFrom):
            exec(compile(ast.Module([node], []), "quickstart", "exec"), {})


def test_the_example_names_the_server_without_which_oggm_gives_no_directory():
    (start,) = [call for call in calls() if ast.unparse(call.func).endswith("init_glacier_directories")]
    assert "prepro_base_url" in {keyword.arg for keyword in start.keywords}


def test_the_tasks_of_the_example_take_the_arguments_given():
    from oggm import tasks, workflow  # noqa: F401

    from oggm_glaunti import tasks as gtasks  # noqa: F401

    executed = [call for call in calls() if ast.unparse(call.func).endswith("execute_entity_task")]
    assert len(executed) == 5
    for call in executed:
        task = eval(ast.unparse(call.args[0]))
        taken = inspect.signature(task.unwrapped).parameters
        assert {keyword.arg for keyword in call.keywords} <= set(taken), ast.unparse(call)


def test_the_tasks_that_the_example_calls_take_the_arguments_given():
    from oggm_glaunti import tasks as gtasks
    from oggm_glaunti.analysis import prepare_volume_runs

    named = [call for call in calls() if ast.unparse(call.func).startswith("gtasks.")]
    assert len(named) == 7
    for call in named:
        taken = set(inspect.signature(getattr(gtasks, call.func.attr).unwrapped).parameters)
        if call.func.attr == "volume_sensitivity":  # passes **kwargs on
            taken |= set(inspect.signature(prepare_volume_runs).parameters)
        assert {keyword.arg for keyword in call.keywords} <= taken, ast.unparse(call)


def test_ci_runs_the_test_command_of_the_readme():
    text = README.read_text("utf-8")
    pattern = r"<!-- test-command -->\n```bash\n(.*?)\n```\n<!-- /test-command -->"
    (command,) = re.findall(pattern, text, flags=re.DOTALL)
    assert "pytest" in command
    assert "test-command" in (README.parent / ".ci" / "run").read_text("utf-8")
