import netpersona.kinds.persona


def test_the_package_exports_what_it_says_and_nothing_by_accident() -> None:
    assert netpersona.kinds.persona.__all__ == sorted(netpersona.kinds.persona.__all__)
    assert netpersona.kinds.persona.__all__ == [
        "Change",
        "CompiledPersona",
        "Duration",
        "Explanation",
        "InvalidDocument",
        "Lifetime",
        "Persona",
        "Probability",
        "Problem",
        "Rate",
        "Size",
        "Step",
        "compile_persona",
        "diff",
        "dump",
        "explain",
        "from_mapping",
        "json_schema",
        "load",
        "loads",
        "presets",
        "to_mapping",
    ]
    assert all(hasattr(netpersona.kinds.persona, name) for name in netpersona.kinds.persona.__all__)
