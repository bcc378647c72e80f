"""A FastAPI handler as a user would write it: MODEL PORT."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from classifier import Classifier
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

app = FastAPI()
classifier = Classifier(sys.argv[1])


@app.post("/v1/predict")
async def predict(request: Request) -> dict[str, Any]:
    data = await request.body()
    return await run_in_threadpool(answer, data)


def answer(data: bytes) -> dict[str, Any]:
    return classifier.answer(classifier.read(data)[None])[0]


@app.get("/readyz")
def ready() -> str:
    return "ready"


uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
