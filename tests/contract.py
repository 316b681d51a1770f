"""A request to each method of the contract, for all that has to hold of each of them."""

from google.protobuf.message import Message

from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, scoring_pb2

NOBODY = "0f" * 8
"""The id of no calibrator."""


def request_to(method: str, model: str, calibrator: str, receipt: bytes = b"none") -> Message:
    """One that is right where there is such a calibrator, and such a receipt."""
    settings = scoring_pb2.ScoreSettings(model=model, calibrator=calibrator)
    asked = question_pb2.Question(
        text="Which one?", options=[question_pb2.Option(text=text) for text in "abcd"]
    )
    scores = calibration_pb2.FitScores(
        items=[calibration_pb2.FitScore(logprobs=[0, 1, 2, 3], answer=n % 4) for n in range(20)]
    )
    fit = calibration_pb2.FitCalibratorRequest(
        model=model,
        method=calibration_pb2.METHOD_CONSTANT,
        temperature=2.0,
        options=4,
        request_id="everybody's name for it",
    )
    evaluation = calibration_pb2.EvaluateCalibratorRequest(name=calibrator, scores=scores)
    requests: dict[str, Message] = {
        "Score": scoring_pb2.ScoreRequest(settings=settings, question=asked),
        "BatchScore": scoring_pb2.BatchScoreRequest(settings=settings, questions=[asked]),
        "StreamScore": scoring_pb2.StreamScoreRequest(settings=settings, questions=[asked]),
        "ListModels": model_pb2.ListModelsRequest(),
        "GetModel": model_pb2.GetModelRequest(name=model),
        "Tokenize": model_pb2.TokenizeRequest(name=model, prompts=[question_pb2.Prompt(text="x")]),
        "FitCalibrator": fit,
        "StreamFitCalibrator": calibration_pb2.StreamFitCalibratorRequest(part=fit),
        "GetCalibrator": calibration_pb2.GetCalibratorRequest(name=calibrator),
        "ListCalibrators": calibration_pb2.ListCalibratorsRequest(model=model),
        "ActivateCalibrator": calibration_pb2.ActivateCalibratorRequest(name=calibrator),
        "RollbackCalibrator": calibration_pb2.RollbackCalibratorRequest(name=calibrator),
        "DeleteCalibrator": calibration_pb2.DeleteCalibratorRequest(name=calibrator),
        "EvaluateCalibrator": evaluation,
        "StreamEvaluateCalibrator": calibration_pb2.StreamEvaluateCalibratorRequest(
            part=evaluation
        ),
        "Calibrate": calibration_pb2.CalibrateRequest(
            name=calibrator, items=[calibration_pb2.OptionScores(logprobs=[0, 1, 2, 3])]
        ),
        "RecordOutcomes": calibration_pb2.RecordOutcomesRequest(
            outcomes=[calibration_pb2.ReportedOutcome(receipt=receipt, option=1)]
        ),
        "GetDrift": calibration_pb2.GetDriftRequest(name=calibrator),
        "CheckCalibrator": calibration_pb2.CheckCalibratorRequest(
            name=calibrator,
            questions=calibration_pb2.FitQuestions(
                items=[calibration_pb2.FitQuestion(question=asked)]
            ),
        ),
        "ListAlerts": calibration_pb2.ListAlertsRequest(model=model, calibrator=calibrator),
    }
    return requests[method.rpartition("/")[2]]
