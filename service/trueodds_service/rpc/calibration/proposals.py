"""Proposals → messages."""

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.flows.evaluate import Estimate
from trueodds_service.rpc.calibration.evaluations import estimate_messages
from trueodds_service.rpc.names import calibrator_name
from trueodds_service.store.alerts import Proposal


def proposal_message(proposal: Proposal, model: str) -> pb.Proposal:
    differences = proposal.differences or {}
    return pb.Proposal(
        calibrator=calibrator_name(model, proposal.proposed) if proposal.proposed else "",
        note=proposal.note,
        waiting=proposal.is_waiting,
        fitted=proposal.fitted,
        held_out=proposal.held_out,
        differences=estimate_messages(
            {name: Estimate(*difference) for name, difference in differences.items()}
        ),
        activated=proposal.activated,
    )
