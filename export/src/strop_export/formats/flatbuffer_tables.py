"""The names that the schema of .tflite files gives to numbers: operators and types."""

from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

_OPERATORS: Final[dict[int, str]] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()
}
TYPES: Final[dict[int, str]] = {
    value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()
}


def operator_name(model: Any, operator: Any) -> str:
    """Return the name of an operator, such as "FULLY_CONNECTED".

    Args:
        model: the parsed file, a `ModelT`.
        operator: one of its operators.
    """
    code = model.operatorCodes[operator.opcodeIndex]
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
