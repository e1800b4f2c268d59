"""03.4: each file of the attack suite notices a safeguard that is switched off; of one that does not, nobody knows."""

from mutation.mutant import load
from support import tree


def test_each_attack_is_a_killer():
    killers = {killer.partition("::")[0] for mutant in load() for killer in mutant.killers}
    attacks = {str(path) for path in tree.files() if path.match("tests/isolation/test_*.py")}
    assert attacks
    assert attacks <= killers, "name a mutant in tests/mutation/mutants that it must notice"
