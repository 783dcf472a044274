# Copyright 2026 The GAIR for Hugging Face contributors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
Noise of the sample world: integer hashes, smooth noise on the sphere, and noise and cells of a few metres on the ground.

Everything is a pure function of its arguments and the same on every machine: hashes are 32-bit integers with wrap-around,
and floats go only through + - * / floor and comparisons, whose results IEEE 754 defines exactly. The few transcendental
functions are series of such operations, because those of maths libraries differ in the last bits between machines.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modeling_gair.geo_gair import EARTH_RADIUS_M, wrap_longitude

_MASK = 0xFFFFFFFF
_ALONG_X, _ALONG_Y, _ALONG_Z, _PER_FACE = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(9, -1, -1)]
_COSINE = [(-1) ** k / math.factorial(2 * k) for k in range(10, -1, -1)]
_ARCTANGENT = [(-1) ** k / (2 * k + 1) for k in range(20, -1, -1)]
# Rotation matrix of the quaternion (5, 1, 2, 4) / sqrt(46); its entries are rational. It keeps the cube's edges and face
# centres away from the poles and from lon 0, 90, 180, 270 on the equator, so that no edge runs along the antimeridian,
# where rounding would decide between two cells.
_TO_CUBE = ((6 / 46, -36 / 46, 28 / 46), (44 / 46, 12 / 46, 6 / 46), (-12 / 46, 26 / 46, 36 / 46))
# Origin of the grids of cells, so that no cell has an edge on a plane of symmetry of the cube.
_OFFSET_M = 12_345.678
# Smooth noise fades out towards the edges of a face over this distance.
_FADE_M = 400.0


# Ramps ---------------------------------------------------------------------------------------------------------------


def ramp(x: Any) -> Any:
    """x clipped to [0, 1]."""
    return np.minimum(np.maximum(x, 0.0), 1.0)


def step(x: Any) -> Any:
    """Smooth step from 0 to 1 as x goes from -1 to 1, with zero slope at both ends."""
    return smooth(ramp(0.5 * x + 0.5))


def smooth(x: Any) -> Any:
    """Smooth step from 0 to 1 as x goes from 0 to 1, with zero slope at both ends."""
    return x * x * (3.0 - 2.0 * x)


# Hashes --------------------------------------------------------------------------------------------------------------


def mix(values: np.ndarray) -> np.ndarray:
    """Hash uint32 values of any shape in place, invertibly: two rounds of multiply and shift."""
    values ^= values >> 16
    values *= np.uint32(0x7FEB352D)
    values ^= values >> 15
    values *= np.uint32(0x846CA68B)
    values ^= values >> 16
    return values


def key_of(seed: int, name: str) -> int:
    """The 32-bit key of the random number stream `name` in the world of `seed` (any integer)."""
    key = 0x811C9DC5
    for byte in f"{seed}/{name}".encode():
        key = ((key ^ byte) * 0x01000193) & _MASK
    return int(mix(np.array([key], np.uint32))[0])


def keys_at(key: int, *numbers: Any) -> np.ndarray:
    """One uint32 key per element of integer arrays of equal shape, such as coordinates in units of 1e-7 degrees."""
    keys = np.full(np.shape(numbers[0]), key, np.uint32)
    for number in numbers:
        keys = mix(keys * np.uint32(_ALONG_X) + np.asarray(number, np.int64).astype(np.uint32))
    return keys


def unit(hashes: np.ndarray, shift: int = 0, bits: int = 16) -> np.ndarray:
    """`bits` (at most 24) of uint32 hashes, from bit `shift` upwards, as float32 in [0, 1)."""
    return ((hashes >> shift) & np.uint32((1 << bits) - 1)).astype(np.float32) * np.float32(2.0**-bits)


def uniforms(keys: np.ndarray, count: int) -> np.ndarray:
    """`count` independent float32 numbers in [0, 1) per key: shape `(count, *keys.shape)`."""
    index = np.arange(1, count + 1, dtype=np.uint32).reshape(-1, *[1] * keys.ndim)
    return unit(mix(keys[None] + index * np.uint32(_ALONG_Y)), 8, 24)


def gaussians(keys: np.ndarray, count: int) -> np.ndarray:
    """
    `count` approximately normal float32 numbers per key, shape `(*keys.shape, count)`: scaled sums of a hash's four bytes,
    with mean 0, standard deviation 1 and range ±3.5.
    """
    index = np.arange(count, dtype=np.uint32) * np.uint32(_ALONG_X)
    hashes = mix(keys[..., None] + index)
    total = (hashes & 255) + ((hashes >> 8) & 255) + ((hashes >> 16) & 255) + (hashes >> 24)
    return (total.astype(np.float32) - 510.0) * np.float32(1 / 147.8)


# Geometry ------------------------------------------------------------------------------------------------------------


def _polynomial(x: np.ndarray, coefficients: list[float]) -> np.ndarray:
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result *= x
        result += coefficient
    return result


def sine_cosine(degrees: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine, float64, of angles in degrees of any shape."""
    degrees = np.asarray(degrees, np.float64)
    turns = np.rint(degrees / 90.0)
    angle = (degrees - 90.0 * turns) * (math.pi / 180.0)
    square = angle * angle
    sine, cosine = angle * _polynomial(square, _SINE), _polynomial(square, _COSINE)
    quadrant = turns.astype(np.int64) & 3
    odd = (quadrant & 1) == 1
    sine, cosine = np.where(odd, cosine, sine), np.where(odd, sine, cosine)
    return np.where(quadrant >= 2, -sine, sine), np.where((quadrant == 1) | (quadrant == 2), -cosine, cosine)


def _arctangent(x: np.ndarray) -> np.ndarray:
    """Arctangent, float64, of values in [-1, 1]."""
    size = np.abs(x)
    # Beyond tan(pi/8) the series converges slowly: expand around 45 degrees instead.
    far = size > 0.41421356237309503
    near = np.where(far, (size - 1.0) / (size + 1.0), size)
    angle = near * _polynomial(near * near, _ARCTANGENT)
    angle = np.where(far, angle + math.pi / 4, angle)
    return np.where(x < 0, -angle, angle)


def arctangent2(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Angle in radians, float64 in [-pi, pi], of points x, y; 0 at the origin."""
    steep = np.abs(y) > np.abs(x)
    low, high = np.where(steep, x, y), np.where(steep, y, x)
    angle = _arctangent(np.divide(low, high, out=np.zeros_like(low), where=high != 0))
    half = math.pi / 2
    return np.where(
        steep, np.where(y > 0, half, -half) - angle, np.where(x < 0, angle + np.where(y < 0, -1, 1) * math.pi, angle)
    )


def unit_vectors(lon: Any, lat: Any) -> np.ndarray:
    """
    Points of the unit sphere, float64 `(3, ...)`, at lon, lat in degrees of any equal shape. lon 180 and -180 give the same
    bits, and so do all longitudes at a pole; other multiples of 360 degrees agree up to the rounding of lon.

    Raises:
        ValueError: a coordinate that is not finite, or a latitude outside [-90, 90].
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90.0)
    if not good.all():
        bad = np.flatnonzero(~good)[0]
        raise ValueError(
            f"lon {lon.ravel()[bad]}, lat {lat.ravel()[bad]} is not a location on the sphere; expected finite "
            "degrees with lat from -90 to 90; pass lon first."
        )
    lon = np.where(np.abs(lat) == 90.0, 0.0, wrap_longitude(lon))
    sine_lon, cosine_lon = sine_cosine(lon)
    sine_lat, cosine_lat = sine_cosine(lat)
    return np.stack([cosine_lat * cosine_lon, cosine_lat * sine_lon, sine_lat])


def tangents(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors towards east and north, each `(3, ...)`, at lon, lat in degrees."""
    lon = np.where(np.abs(lat) == 90.0, 0.0, lon)
    sine_lon, cosine_lon = sine_cosine(lon)
    sine_lat, cosine_lat = sine_cosine(lat)
    east = np.stack([-sine_lon, cosine_lon, np.zeros_like(sine_lon)])
    return east, np.stack([-sine_lat * cosine_lon, -sine_lat * sine_lon, cosine_lat])


def _to_cube(vectors: np.ndarray) -> np.ndarray:
    x, y, z = vectors
    return np.stack([a * x + b * y + c * z for a, b, c in _TO_CUBE])


@dataclass(frozen=True)
class Plane:
    """
    Points on the faces of an equiangular cube: a grid in metres that is nearly square everywhere, without poles.

    Attributes:
        u, v (`np.ndarray`, float64): metres along the face's two axes; a metre there is 0.7 to 1 m on the ground.
        face (`np.ndarray`, uint32): a key per face, so that cells of different faces have different hashes.
        fade (`np.ndarray`, float32): from 1 in the interior to 0 at the face's edge. Smooth noise is multiplied by it,
            so that it is continuous across edges; cells are cut off there. One tile in 2,500 crosses an edge.
    """

    u: np.ndarray
    v: np.ndarray
    face: np.ndarray
    fade: np.ndarray

    def moved(self, along_u: Any, along_v: Any) -> "Plane":
        """The plane with metres added to its coordinates, on the same faces."""
        return replace(self, u=self.u + along_u, v=self.v + along_v)


def _fade(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    edge = np.abs(np.maximum(np.abs(u), np.abs(v)) - EARTH_RADIUS_M * math.pi / 4)
    return np.minimum(edge / _FADE_M, 1.0).astype(np.float32)


def plane_of(vectors: np.ndarray) -> Plane:
    """Cube coordinates of vectors `(3, ...)`, float64, of any positive length."""
    cube = _to_cube(vectors)
    axis = np.argmax(np.abs(cube), axis=0)[None]
    main = np.take_along_axis(cube, axis, 0)[0]
    first = np.take_along_axis(cube, (axis + 1) % 3, 0)[0] / main
    second = np.take_along_axis(cube, (axis + 2) % 3, 0)[0] / main
    u, v = EARTH_RADIUS_M * _arctangent(first), EARTH_RADIUS_M * _arctangent(second)
    face = (axis[0] * 2 + (main < 0)).astype(np.uint32) * np.uint32(_PER_FACE)
    return Plane(u + _OFFSET_M, v + _OFFSET_M, face, _fade(u, v))


def plane_around(
    vectors: np.ndarray, east: np.ndarray, north: np.ndarray, east_m: np.ndarray, north_m: np.ndarray
) -> tuple[Plane, np.ndarray, np.ndarray]:
    """
    Cube coordinates of points within some hundred metres of centres, by a first-order expansion (3 cm error at 420 m). All
    points lie on the face of their centre, which is extended beyond its edges.

    Args:
        vectors, east, north (`np.ndarray` of shape `(3, N)`): the centres and their [`tangents`].
        east_m, north_m (`np.ndarray` of shape `(N, ...)`): metres from the centre.

    Returns:
        The plane of shape `(N, ...)`, and the metres along u and v from the centre, float64.
    """
    centre = plane_of(vectors)
    cube, to_east, to_north = _to_cube(vectors), _to_cube(east), _to_cube(north)
    axis = np.argmax(np.abs(cube), axis=0)[None]
    tail = (...,) + (None,) * (east_m.ndim - 1)
    moves = []
    for turn in (1, 2):
        side, main = (np.take_along_axis(cube, (axis + k) % 3, 0)[0] for k in (turn, 0))
        slopes = []
        for direction in (to_east, to_north):
            along, away = (np.take_along_axis(direction, (axis + k) % 3, 0)[0] for k in (turn, 0))
            slopes.append((main * along - side * away) / (main * main + side * side))
        moves.append(slopes[0][tail] * east_m + slopes[1][tail] * north_m)
    u, v = centre.u[tail] + moves[0], centre.v[tail] + moves[1]
    face = np.broadcast_to(centre.face[tail], u.shape)
    return Plane(u, v, face, _fade(u - _OFFSET_M, v - _OFFSET_M)), moves[0], moves[1]


# Noise ---------------------------------------------------------------------------------------------------------------


def _whole(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integer part as uint32 with wrap-around, and the fraction in [0, 1] as float32."""
    floor = np.floor(x)
    return floor.astype(np.int32).view(np.uint32), (x - floor).astype(np.float32)


def sphere_noise(vectors: np.ndarray, frequencies: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """
    Three-dimensional value noise on the unit sphere: no seams and no poles.

    Args:
        vectors (`np.ndarray` of shape `(3, N)`, float64): points of the unit sphere.
        frequencies, keys (`np.ndarray` of shape `(L,)`, float64 and uint32): one per layer; the features of
            a layer of frequency f measure 1 / f radii.

    Returns:
        `np.ndarray` of shape `(L, N)`, float32 in [-1, 1].
    """
    (x, fx), (y, fy), (z, fz) = (_whole(axis * frequencies[:, None] + 0.37) for axis in vectors)
    corner = x * np.uint32(_ALONG_X) + y * np.uint32(_ALONG_Y) + z * np.uint32(_ALONG_Z) + keys[:, None]
    fx, fy, fz = smooth(fx), smooth(fy), smooth(fz)
    total = np.zeros(fx.shape, np.float32)
    for k in range(8):
        step = (_ALONG_X * (k & 1) + _ALONG_Y * (k >> 1 & 1) + _ALONG_Z * (k >> 2)) & _MASK
        weight = (fx if k & 1 else 1 - fx) * (fy if k & 2 else 1 - fy) * (fz if k & 4 else 1 - fz)
        total += weight * unit(mix(corner + np.uint32(step)), 8, 24)
    return 2.0 * total - 1.0


def plane_noise(plane: Plane, wavelength_m: float, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Two independent smooth noise fields with features of `wavelength_m`, of the plane's shape, float32 in [-1, 1]."""
    (u, fu), (v, fv) = _whole(plane.u * (1.0 / wavelength_m)), _whole(plane.v * (1.0 / wavelength_m))
    corner = u * np.uint32(_ALONG_X) + v * np.uint32(_ALONG_Y) + (plane.face + np.uint32(key))
    fu, fv = smooth(fu), smooth(fv)
    first, second = np.zeros(fu.shape, np.float32), np.zeros(fu.shape, np.float32)
    for k, weight in enumerate(((1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv)):
        hashes = mix(corner + np.uint32((_ALONG_X * (k & 1) + _ALONG_Y * (k >> 1)) & _MASK))
        first += weight * (hashes & np.uint32(0xFFFF)).astype(np.float32)
        second += weight * (hashes >> 16).astype(np.float32)
    scale = np.float32(2 / 65535)
    return (first * scale - 1.0) * plane.fade, (second * scale - 1.0) * plane.fade


def named_noise(
    plane: Plane, wavelength_m: float, key: Callable[[str], int], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """[`plane_noise`] from the world's random number stream `name`."""
    return plane_noise(plane, wavelength_m, key(f"noise/{name}"))


def plane_cells(plane: Plane, width_m: float, height_m: float, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of `width_m` along u by `height_m` along v: a uint32 hash per cell, and the position in it, in [0, 1]."""
    (u, fu), (v, fv) = _whole(plane.u * (1.0 / width_m)), _whole(plane.v * (1.0 / height_m))
    return mix(u * np.uint32(_ALONG_X) + v * np.uint32(_ALONG_Y) + (plane.face + np.uint32(key))), fu, fv
