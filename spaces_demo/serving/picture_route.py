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
"""The pictures of the gallery over HTTP, beside the page."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.pictures import published_picture

# Names are made of the contents, so a browser may keep a picture for good.
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


def _send(request: Request) -> Response:
    jpeg = published_picture(request.path_params["name"])
    return Response(status_code=404) if jpeg is None else Response(jpeg, media_type="image/jpeg", headers=FOR_GOOD)


ROUTES = [Route("/pictures/{name}", _send)]
