from __future__ import annotations

from provenance.reports.picture import MOST_COLUMNS, MOST_ROWS, draw_picture
from provenance.result import Cell, Layer


def cell(role: str, effect: float | None = 0.9, z: float | None = 20.0, status: str = "dependent") -> Cell:
    return Cell(role=role, effect=effect, z=z, status=status)


def layer(number: int, *cells: Cell) -> Layer:
    return Layer(a=number, b=number, cells=cells)


def test_columns_are_roles_and_rows_are_layers() -> None:
    picture = draw_picture([layer(0, cell("up"), cell("down", 0.4)), layer(1, cell("down"), cell("gate"))])
    assert picture.roles == ("up", "down", "gate")
    first, second = picture.rows
    assert [square and square.effect for square in first.squares] == [0.9, 0.4, None]
    assert second.squares[0] is None


def test_experts_share_a_cell() -> None:
    experts = [
        cell(f"up[{number}]", effect=number / 10, status="chance" if number else "dependent") for number in range(5)
    ]
    picture = draw_picture([layer(0, *experts)])
    assert picture.experts
    assert picture.roles == ("up",)
    (square,) = picture.rows[0].squares
    assert square is not None
    assert (square.effect, square.status, square.tensors) == (0.2, "mixed", 5)


def test_layers_that_were_not_looked_at_are_said_and_not_drawn() -> None:
    skipped = layer(3, cell("up", None, None, "not sampled"))
    picture = draw_picture([layer(2, cell("up")), skipped, layer(5, cell("up")), layer(6, cell("up"))])
    assert [(row.a, row.skipped) for row in picture.rows] == [(2, (0, 1)), (5, (3, 4)), (6, None)]


def test_shades_follow_the_numbers_and_stay_within_their_scale() -> None:
    cells = [cell("a", -0.3, -5.0), cell("b", 0.54, 6.0), cell("c", 1.0, 4000.0), cell("d", None, None, "equal")]
    squares = draw_picture([layer(0, *cells)]).rows[0].squares
    assert [square and (square.shade, square.z_shade) for square in squares] == [(0, 0), (5, 2), (10, 6), (10, None)]


def test_a_picture_has_a_largest_size_and_says_what_is_left_out() -> None:
    wide = [layer(0, *(cell(f"role {n}") for n in range(MOST_COLUMNS + 3)), cell("common")), layer(1, cell("common"))]
    picture = draw_picture(wide)
    assert len(picture.roles) == MOST_COLUMNS
    assert "common" in picture.roles
    assert picture.more_columns == 4
    deep = draw_picture([layer(number, cell("up")) for number in range(MOST_ROWS + 7)])
    assert (len(deep.rows), deep.more_rows) == (MOST_ROWS, 7)
