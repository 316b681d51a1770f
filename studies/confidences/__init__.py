"""Twelve large models' claims on MMLU and HellaSwag: what the service's methods make of them.

`python -m studies.confidences --data FOLDER` reads mmlu.csv.gz and hellaswag.csv.gz there (or where
CONFIDENCE says) and writes `studies/results/confidences.json`.
"""
